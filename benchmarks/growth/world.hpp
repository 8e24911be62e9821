// SPDX-License-Identifier: MIT
// Where captioned clips come from: clips to train on, numbered and without end, some to validate, and prompts whose
// samples can be judged. A world is chosen by name: {"name": "digits", "max_digits": 2}.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <modelgrow/core/tensor.hpp>
#include <modelgrow/data/clip.hpp>
#include <modelgrow/detail/json.hpp>

namespace growth {
namespace mg = modelgrow;
using Json = mg::detail::json;

/// Prompts of one kind.
struct Exam {
  std::string name;
  std::vector<std::string> prompts;
};

using Marks = std::map<std::string, double>;

/// Captions that say something else in one class of words.
struct SwappedWords {
  std::string name;
  std::vector<std::string> captions;
};

class World {
 public:
  virtual ~World() = default;
  /// Sample `index` of training: a pure function of the seed of the world and the index.
  virtual mg::Sample sample(std::uint64_t index) const = 0;
  /// Its caption, without drawing the clip where that can be avoided.
  virtual std::string caption(std::uint64_t index) const { return sample(index).caption; }
  /// The same for every seed.
  virtual const std::vector<mg::Sample>& validation() const = 0;
  /// `count` prompts of each kind that the world can judge; the same for every seed.
  virtual std::vector<Exam> exams(std::size_t count) const = 0;
  /// The captions of the validation clips with one class of words exchanged, for each class: whoever does not notice
  /// does not read it.
  virtual std::vector<SwappedWords> swapped_words() const { return {}; }
  /// The captions of the validation clips in words that training does not use; empty where there are none.
  virtual std::vector<std::string> reworded() const { return {}; }
  /// The parts of a caption that a language model reads one by one; their number must be small where its states are
  /// kept.
  virtual std::vector<std::string> phrases_of(const std::string& caption) const { return {caption}; }
  /// All that there are, in the words of training and in others; empty where they cannot be listed.
  virtual std::vector<std::string> phrases() const { return {}; }
  /// How much of prompt `prompt` of exam `exam` a clip shows, each 0 to 1; the names go behind that of the exam.
  virtual Marks marks(std::size_t exam, std::size_t prompt, const mg::Clip& clip) const = 0;
};

/// A world and where its files are. `is` says all that determines its clips, with checksums of the files that it reads
/// in place of their paths; `where` holds the paths.
struct WorldChoice {
  Json is = {}, where = {};
};

/// Reads {"name": .., ..}; relative paths begin at `root`. Throws option_error for names and options that do not exist,
/// io_error for files that cannot be read.
WorldChoice choose_world(const Json& options, const std::filesystem::path& root, const std::string& context);

/// The names there are, with a line about each, for --help.
std::vector<std::pair<std::string, std::string>> known_worlds();

/// The channels of its clips.
std::int64_t channels_of(const WorldChoice& choice);

/// The words of its captions, with spaces between; empty where they cannot be listed.
std::string vocabulary_of(const WorldChoice& choice);

/// Throws shape_error for clips that cannot have this size.
std::unique_ptr<World> make_world(const WorldChoice& choice, mg::ClipSize size, std::uint64_t seed);

/// Clips as tensors [n, C, T, H, W] in [-1, 1], and their captions.
struct ClipBatch {
  mg::Tensor<float, mg::Cpu> clips;
  std::vector<std::string> captions;

  void put(std::size_t place, const mg::Sample& sample);
};
ClipBatch training_batch(const World& world, std::uint64_t first, std::size_t count);
ClipBatch validation_batch(const World& world, std::size_t first, std::size_t count);

}  // namespace growth
