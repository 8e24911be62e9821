// SPDX-License-Identifier: MIT
// A user's own captioned clips, held in memory at the size that the model takes.
#include <filesystem>

#include <modelgrow/data/batches.hpp>
#include <modelgrow/data/split.hpp>
#include <modelgrow/data/webdataset.hpp>

#include "content.hpp"
#include "worlds.hpp"

namespace growth {

namespace {

class ClipsWorld : public World {
 public:
  ClipsWorld(const Json& archives, mg::ClipSize size, std::uint64_t seed) {
    for (const auto& path : archives) {
      mg::WebDataset reader(path.get<std::string>());
      while (auto sample = reader.next()) {
        sample->clip = mg::resize(mg::to_rgb(sample->clip), size);
        (mg::split_of(sample->key) == mg::Split::train ? train_ : validation_).push_back(std::move(*sample));
      }
    }
    if (train_.empty() || validation_.empty())
      throw mg::format_error(archives.dump() + ": " + std::to_string(train_.size()) + " clips to train on and " +
                             std::to_string(validation_.size()) +
                             " to validate; the key decides, for about one in ten to validate: give more clips");
    order_.emplace(train_.size(), 1, seed);
  }
  mg::Sample sample(std::uint64_t index) const override { return train_[order_->sample(index)]; }
  std::string caption(std::uint64_t index) const override { return train_[order_->sample(index)].caption; }
  const std::vector<mg::Sample>& validation() const override { return validation_; }
  std::vector<Exam> exams(std::size_t) const override { return {}; }
  Marks marks(std::size_t, std::size_t, const mg::Clip&) const override { return {}; }

 private:
  std::vector<mg::Sample> train_, validation_;
  std::optional<mg::Batches> order_;
};

}  // namespace

WorldChoice choose_clips(const Json& options, const std::filesystem::path& root, const std::string& context) {
  const Json* const archives = mg::detail::member(options, "archives");
  if (!archives || !archives->is_array() || archives->empty() || options.size() != 1)
    throw mg::option_error(context + ": found " + options.dump() + "; expected {\"archives\": [\"mine.tar\", ..]}");
  Json paths = Json::array(), content = Json::array();
  for (const auto& path : *archives) {
    const auto full = found_path(root, path.get<std::string>());
    paths.push_back(full.string());
    content.push_back(checksum_of_file(full));
  }
  return {Json{{"content", std::move(content)}}, Json{{"archives", std::move(paths)}}};
}

std::unique_ptr<World> make_clips(const WorldChoice& choice, mg::ClipSize size, std::uint64_t seed) {
  return std::make_unique<ClipsWorld>(choice.where.at("archives"), size, seed);
}

}  // namespace growth
