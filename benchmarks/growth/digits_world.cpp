// SPDX-License-Identifier: MIT
// Moving digits, judged by who moves where.
#include <filesystem>

#include <modelgrow/data/digit_judge.hpp>
#include <modelgrow/data/idx.hpp>

#include "content.hpp"
#include "worlds.hpp"

namespace growth {

namespace {

class DigitsWorld : public World {
 public:
  DigitsWorld(mg::Digits images, const DigitsOptions& o, mg::BouncingDigitsOptions scene, std::uint64_t seed)
      : images_(std::move(images)), scene_(scene), train_(images_, with(scene, o.min_digits, o.max_digits, seed)) {
    const mg::BouncingDigits others(images_, with(scene, o.min_digits, o.max_digits, 2));
    for (std::int64_t i = 0; i < o.validation; ++i) validation_.push_back(others.at(std::uint64_t(i)));
    for (int n = o.min_digits; n <= o.max_digits; ++n) {
      asked_.emplace_back(images_, with(scene, n, n, 3));
      judges_.emplace_back(images_, asked_.back().options());
    }
  }
  mg::Sample sample(std::uint64_t index) const override { return train_.at(index); }
  std::string caption(std::uint64_t index) const override { return train_.scene(index).caption(); }
  const std::vector<mg::Sample>& validation() const override { return validation_; }
  std::vector<Exam> exams(std::size_t count) const override {
    std::vector<Exam> list;
    for (const auto& scenes : asked_) {
      Exam exam{.name = scenes.options().min_digits == 1 ? "one digit" : "two digits", .prompts = {}};
      for (std::size_t i = 0; i < count; ++i) exam.prompts.push_back(scenes.scene(i).caption());
      list.push_back(std::move(exam));
    }
    return list;
  }
  /// Half for who it is, half for the direction.
  Marks marks(std::size_t exam, std::size_t prompt, const mg::Clip& clip) const override {
    const auto& scenes = asked_.at(exam);
    const auto seen = judges_.at(exam).judge(clip, scenes.options().min_digits);
    const auto found = mg::agreement(seen, scenes.scene(prompt));
    return {{"", (found.label + found.direction) / 2}};
  }

 private:
  static mg::BouncingDigitsOptions with(mg::BouncingDigitsOptions scene, int least, int most, std::uint64_t seed) {
    scene.min_digits = least;
    scene.max_digits = most;
    scene.seed = seed;
    return scene;
  }
  mg::Digits images_;
  mg::BouncingDigitsOptions scene_;
  mg::BouncingDigits train_;
  std::vector<mg::Sample> validation_;
  std::vector<mg::BouncingDigits> asked_;
  std::vector<mg::DigitJudge> judges_;
};

}  // namespace

WorldChoice choose_digits(const Json& options, const std::filesystem::path& root, const std::string& context) {
  const auto o = mg::detail::fields_from_json<DigitsOptions>(options, context);
  const auto folder = found_path(root, o.images);
  Json is = complete(o);
  is.erase("images");
  is["content"] = checksum_of_folder(folder);
  return {std::move(is), Json{{"images", folder.string()}}};
}

std::unique_ptr<World> make_digits(const WorldChoice& choice, mg::ClipSize size, std::uint64_t seed, mg::Edge edge) {
  Json options = choice.is;
  for (const char* key : {"name", "content"}) options.erase(key);
  const auto o = mg::detail::fields_from_json<DigitsOptions>(options, "the world");
  return std::make_unique<DigitsWorld>(
      mg::load_digits(choice.where.at("images").get<std::string>()), o,
      mg::BouncingDigitsOptions{.frames = size.frames, .height = size.height, .width = size.width, .edge = edge}, seed);
}

}  // namespace growth
