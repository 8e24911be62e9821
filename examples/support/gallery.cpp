// SPDX-License-Identifier: MIT
// Samples in rows, and their marks.
#include "gallery.hpp"

#include <algorithm>
#include <cmath>

#include <modelgrow/data/shape_score.hpp>
#include <modelgrow/media/gif.hpp>

#include "pipeline.hpp"

namespace example {

namespace {
/// All clips; of moving shapes those with more objects than one, where they may have them.
std::vector<std::size_t> worth_showing(const ClipSet& clips, const ClipSource& source) {
  std::vector<std::size_t> list;
  const auto world = source.shapes > 1 ? std::optional(source.shape_world(clips.size, validation_seed)) : std::nullopt;
  for (std::size_t i = 0; i < clips.count(); ++i)
    if (!world || world->scene(i).objects.size() > 1) list.push_back(i);
  return list;
}
}  // namespace

Gallery::Gallery(const FlowTask& task, const ClipSource& source, const Options& options)
    : task_(task), options_(options) {
  const ClipSet& held_out = task.data.validation;
  std::vector<std::size_t> which = worth_showing(held_out, source);
  const auto all = which;
  which.resize(std::min(which.size(), std::size_t(options.prompts)));
  for (std::size_t i = 0; i < which.size(); ++i) which[i] = all[i * all.size() / which.size()];
  captions_ = held_out.gather_captions(which);
  const auto clips = held_out.gather(which);
  for (std::size_t i = 0; i < which.size(); ++i)
    rows_.push_back({.caption = captions_[i], .strips = {{.label = "true", .clip = clip_of(clips, std::int64_t(i))}}});
  if (source.shapes == 0) return;
  const mg::ShapeWorld world = source.shape_world(held_out.size, validation_seed);
  for (const auto i : which) scenes_.push_back(world.scene(i));
  judge_.emplace(world.options());
}

void Gallery::add(const std::string& label, Model& model) {
  Tape tape(Tape::Mode::infer);
  const auto made = task_.sample(tape, model, captions_, options_.guidance, options_.sample_steps, options_.seed);
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    mg::Clip clip = clip_of(made, std::int64_t(i));
    rows_[i].strips.push_back({.label = marked(label, i, clip), .clip = std::move(clip)});
  }
}

mg::Clip Gallery::grid() const {
  std::vector<mg::Clip> clips;
  for (std::size_t strip = 0; strip < rows_.front().strips.size(); ++strip)
    for (const auto& row : rows_) clips.push_back(row.strips[strip].clip);
  return mg::clip_grid(clips, int(rows_.size()));
}

std::string Gallery::marked(const std::string& label, std::size_t row, const mg::Clip& clip) const {
  if (!judge_) return label;
  mg::ShapeScore score;
  score.add(scenes_[row], judge_->judge(clip), 0);
  const std::size_t words = scenes_[row].objects.size() * mg::word_classes.size();
  return label + ", " + std::to_string(std::lround(score.words() * double(words))) + " of " + std::to_string(words) +
         " words";
}

}  // namespace example
