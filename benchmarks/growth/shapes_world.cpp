// SPDX-License-Identifier: MIT
// Moving shapes, judged object by object, in the words of training and in others.
#include <modelgrow/data/shape_judge.hpp>
#include <modelgrow/data/shape_score.hpp>

#include "worlds.hpp"

namespace growth {

namespace {

class ShapesWorld : public World {
 public:
  ShapesWorld(const ShapesOptions& o, mg::ClipSize size, std::uint64_t seed)
      : size_(size), train_(options(o.min_objects, o.max_objects, seed)), judge_(train_.options()) {
    const mg::ShapeWorld others(options(o.min_objects, o.max_objects, 2));
    for (std::int64_t i = 0; i < o.validation; ++i) {
      validation_.push_back(others.at(std::uint64_t(i)));
      scenes_.push_back(others.scene(std::uint64_t(i)));
    }
    for (const mg::Wording wording : {mg::Wording::trained, mg::Wording::reworded})
      for (int n = o.min_objects; n <= o.max_objects; ++n)
        asked_.push_back({mg::ShapeWorld(options(n, n, 3)), wording});
  }
  mg::Sample sample(std::uint64_t index) const override { return train_.at(index); }
  std::string caption(std::uint64_t index) const override { return mg::caption_of(train_.scene(index)); }
  const std::vector<mg::Sample>& validation() const override { return validation_; }

  std::vector<Exam> exams(std::size_t count) const override {
    std::vector<Exam> list;
    for (const auto& [world, wording] : asked_) {
      const int n = world.options().min_objects;
      Exam exam{.name = std::to_string(n) + (n == 1 ? " object" : " objects") +
                        (wording == mg::Wording::reworded ? ", reworded" : ""),
                .prompts = {}};
      for (std::size_t i = 0; i < count; ++i) exam.prompts.push_back(mg::caption_of(world.scene(i), wording));
      list.push_back(std::move(exam));
    }
    return list;
  }
  std::vector<SwappedWords> swapped_words() const override {
    std::vector<SwappedWords> list;
    for (const mg::WordClass c : mg::word_classes) {
      SwappedWords swapped{.name = std::string(mg::name_of(c)), .captions = {}};
      for (const auto& scene : scenes_) swapped.captions.push_back(mg::caption_of(mg::exchanged(scene, c)));
      list.push_back(std::move(swapped));
    }
    return list;
  }
  std::vector<std::string> reworded() const override {
    std::vector<std::string> captions;
    for (const auto& scene : scenes_) captions.push_back(mg::caption_of(scene, mg::Wording::reworded));
    return captions;
  }
  std::vector<std::string> phrases_of(const std::string& caption) const override {
    constexpr std::string_view between = " and a ";
    std::vector<std::string> phrases;
    std::size_t begin = 0;
    for (auto at = caption.find(between); at != caption.npos; at = caption.find(between, begin)) {
      phrases.push_back(caption.substr(begin, at - begin));
      begin = at + between.size() - 2;  // the next one begins with its article
    }
    phrases.push_back(caption.substr(begin));
    return phrases;
  }
  std::vector<std::string> phrases() const override {
    std::vector<mg::ShapeScene> scenes{{.objects = {{}}}};
    for (const mg::WordClass c : mg::word_classes) {
      std::vector<mg::ShapeScene> more;
      for (auto scene : scenes)
        for (std::size_t value = 0; value < mg::words_of(c).size(); ++value) {
          scene.objects[0][c] = int(value);
          more.push_back(scene);
        }
      scenes = std::move(more);
    }
    std::vector<std::string> all;
    for (const mg::Wording wording : {mg::Wording::trained, mg::Wording::reworded})
      for (const auto& scene : scenes) all.push_back(mg::caption_of(scene, wording));
    return all;
  }
  /// The share of objects of which everything is right, and the share of their words.
  Marks marks(std::size_t exam, std::size_t prompt, const mg::Clip& clip) const override {
    const mg::ShapeScene truth = asked_.at(exam).world.scene(prompt);
    mg::ShapeScore score;
    score.add(truth, judge_.judge(clip), 0);
    return {{"", score.whole_objects()}, {", words", score.words()}};
  }

 private:
  struct Asked {
    mg::ShapeWorld world;
    mg::Wording wording;
  };
  mg::ShapeWorldOptions options(int least, int most, std::uint64_t seed) const {
    return {.frames = size_.frames,
            .height = size_.height,
            .width = size_.width,
            .min_objects = least,
            .max_objects = most,
            .seed = seed};
  }
  mg::ClipSize size_;
  mg::ShapeWorld train_;
  mg::ShapeJudge judge_;
  std::vector<mg::Sample> validation_;
  std::vector<mg::ShapeScene> scenes_;
  std::vector<Asked> asked_;
};

}  // namespace

WorldChoice choose_shapes(const Json& options, const std::filesystem::path&, const std::string& context) {
  return {complete(mg::detail::fields_from_json<ShapesOptions>(options, context)), Json::object()};
}

std::unique_ptr<World> make_shapes(const WorldChoice& choice, mg::ClipSize size, std::uint64_t seed) {
  Json options = choice.is;
  options.erase("name");
  return std::make_unique<ShapesWorld>(mg::detail::fields_from_json<ShapesOptions>(options, "the world"), size, seed);
}

}  // namespace growth
