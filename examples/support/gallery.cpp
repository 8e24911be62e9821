// SPDX-License-Identifier: MIT
// Samples in rows, and their marks.
#include "gallery.hpp"

#include <algorithm>

#include <modelgrow/media/gif.hpp>

#include "pipeline.hpp"

namespace example {

Gallery::Gallery(const FlowTask& task, const ClipSource& source, const Options& options)
    : task_(task), options_(options) {
  const ClipSet& held_out = task.data.validation;
  std::vector<std::size_t> which;
  for (std::int64_t i = 0; i < options.prompts; ++i)
    which.push_back(std::size_t(i) * held_out.count() / std::size_t(options.prompts));
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
  const auto& truth = scenes_[row].objects;
  const auto seen = judge_->judge(clip);
  const auto right =
      std::ranges::count_if(truth, [&](const mg::ShapeObject& o) { return std::ranges::find(seen, o) != seen.end(); });
  return label + ", " + std::to_string(right) + " of " + std::to_string(truth.size());
}

}  // namespace example
