// SPDX-License-Identifier: MIT
// Captioned clips as the trainer wants them: resized, in [-1, 1], split by key, gathered into batches.
#pragma once
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <modelgrow/core/tensor.hpp>
#include <modelgrow/data/batches.hpp>
#include <modelgrow/data/bouncing_digits.hpp>
#include <modelgrow/data/idx.hpp>
#include <modelgrow/data/shape_world.hpp>
#include <modelgrow/data/split.hpp>
#include <modelgrow/data/webdataset.hpp>

#include "captions.hpp"

namespace example {
namespace mg = modelgrow;

/// The clips that come with the examples.
inline std::vector<std::filesystem::path> emoji_clips(const std::filesystem::path& root = ".") {
  return {root / "examples/data/clips/fluent-emoji-64-base.tar",
          root / "examples/data/clips/fluent-emoji-64-tones.tar"};
}

/// Noise levels lean this much towards noise (shift_sigma): in small clips of large flat areas the picture shows
/// through nearly to the end, and only above that does a model need the caption. Moving shapes show through even more.
inline constexpr double usual_noise_shift = 5.0, noise_shift_of_shapes = 30.0;

/// Where clips come from.
struct ClipSource {
  std::vector<std::filesystem::path> archives = emoji_clips();
  std::size_t digits = 0;          // instead, so many grey clips of one or two moving digits
  mg::Edge edge = mg::Edge::wrap;  // what they do at the edges
  std::filesystem::path digit_images = "examples/data/digits";
  int shapes = 0;  // instead, endless clips of one to so many moving shapes

  double noise_shift() const { return shapes > 0 ? noise_shift_of_shapes : usual_noise_shift; }

  /// The world of shapes: clips of one seed, of one to `shapes` objects, or of exactly `objects`.
  mg::ShapeWorld shape_world(mg::ClipSize size, std::uint64_t seed, int objects = 0) const {
    return mg::ShapeWorld({.frames = size.frames,
                           .height = size.height,
                           .width = size.width,
                           .min_objects = objects ? objects : 1,
                           .max_objects = objects ? objects : shapes,
                           .seed = seed});
  }
};

/// Seeds of generated clips: no clip of one is a clip of another.
inline constexpr std::uint64_t training_seed = 1, validation_seed = 2, judged_seed = 3;

/// One side of a data set: in memory, or made when it is asked for.
struct ClipSet {
  mg::ClipSize size;
  int channels = 3;
  std::vector<std::string> captions;
  std::vector<std::vector<std::string>> keywords;
  std::vector<float> pixels;              // [clip, channels, frames, height, width]
  std::optional<mg::ShapeWorld> endless;  // instead of all these

  std::size_t count() const { return endless ? std::size_t{1} << 40 : captions.size(); }
  std::size_t clip_size() const { return std::size_t(channels) * size.frames * size.height * size.width; }
  std::span<const float> clip(std::size_t i) const { return std::span(pixels).subspan(i * clip_size(), clip_size()); }

  /// Clips [n, 3, T, H, W] of some samples.
  mg::Tensor<float, mg::Cpu> gather(std::span<const std::size_t> indices) const {
    mg::Tensor<float, mg::Cpu> batch({std::int64_t(indices.size()), channels, size.frames, size.height, size.width});
    for (std::size_t i = 0; i < indices.size(); ++i) {
      const std::span<float> to(batch.data() + i * clip_size(), clip_size());
      if (endless)
        mg::to_float(endless->draw(endless->scene(indices[i])), to);
      else
        std::ranges::copy(clip(indices[i]), to.begin());
    }
    return batch;
  }
  void add(const mg::Sample& sample) {
    captions.push_back(sample.caption);
    keywords.push_back(sample.keywords);
    pixels.resize(pixels.size() + clip_size());
    mg::to_float(sample.clip, std::span(pixels).last(clip_size()));
  }
  std::vector<std::string> gather_captions(std::span<const std::size_t> indices) const {
    std::vector<std::string> texts;
    for (auto i : indices) texts.push_back(endless ? mg::caption_of(endless->scene(i)) : captions[i]);
    return texts;
  }
  /// Other words for the same clips, joined by commas.
  std::vector<std::string> gather_keywords(std::span<const std::size_t> indices) const {
    std::vector<std::string> texts;
    for (auto i : indices)
      texts.push_back(endless ? mg::caption_of(endless->scene(i), mg::Wording::reworded) : keyword_prompt(keywords[i]));
    return texts;
  }
};

/// Training and validation clips of some archives: never none on either side.
struct ClipData {
  ClipSet train, validation;
  double noise_shift = usual_noise_shift;
  /// Throws io_error and format_error, also when no clip is left to train on, or to validate.
  ClipData(const ClipSource& source, mg::ClipSize size) : noise_shift(source.noise_shift()) {
    train.size = validation.size = size;
    if (source.shapes > 0)
      draw_shapes(source, size);
    else if (source.digits > 0)
      draw_digits(source, size);
    else
      for (const auto& path : source.archives) read(path);
    if (train.count() == 0 || validation.count() == 0) throw_one_sided(source);
  }

 private:
  void read(const std::filesystem::path& archive) {
    mg::WebDataset reader(archive);
    while (auto sample = reader.next()) {
      sample->clip = mg::resize(mg::to_rgb(sample->clip), train.size);
      (mg::split_of(sample->key) == mg::Split::train ? train : validation).add(*sample);
    }
  }
  [[noreturn]] void throw_one_sided(const ClipSource& source) const {
    std::string archives;
    for (const auto& path : source.archives) archives += (archives.empty() ? "" : ", ") + path.string();
    throw mg::format_error(archives + ": of " + std::to_string(train.count() + validation.count()) + " clips " +
                           std::to_string(train.count()) + " are to train on and " +
                           std::to_string(validation.count()) +
                           " to validate; at least one of each is needed. The key decides, for about one clip in ten " +
                           "to validate: give more clips, or rename some");
  }
  void draw_digits(const ClipSource& source, mg::ClipSize size) {
    const mg::Digits images = mg::load_digits(source.digit_images);
    const auto draw = [&](ClipSet& side, std::size_t count, std::uint64_t seed) {
      const mg::BouncingDigits generator(images, {.frames = size.frames,
                                                  .height = size.height,
                                                  .width = size.width,
                                                  .max_digits = 2,
                                                  .edge = source.edge,
                                                  .seed = seed});
      side.channels = 1;
      for (std::size_t i = 0; i < count; ++i) side.add(generator.at(i));
    };
    draw(train, source.digits, training_seed);
    draw(validation, generated, validation_seed);
  }
  void draw_shapes(const ClipSource& source, mg::ClipSize size) {
    train.endless = source.shape_world(size, training_seed);
    const mg::ShapeWorld world = source.shape_world(size, validation_seed);
    for (std::size_t i = 0; i < generated; ++i) validation.add(world.at(i));
  }
  static constexpr std::size_t generated = 256;  // clips to validate
};

}  // namespace example
