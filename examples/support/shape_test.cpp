// SPDX-License-Identifier: MIT
// The tests of moving shapes, and their tables.
#include "shape_test.hpp"

#include <cstdio>
#include <ostream>

#include <modelgrow/backend/cpu.hpp>

#include "pipeline.hpp"

namespace example {

namespace {
std::string cell(const char* format, double value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}
}  // namespace

ShapeTest::ShapeTest(const ClipSource& source, const mg::StditConfig& video, int objects, std::size_t clips)
    : world_(source.shape_world(clip_size(video), judged_seed, objects)), judge_(world_.options()) {
  for (std::size_t i = 0; i < clips; ++i) scenes_.push_back(world_.scene(i));
}

mg::ShapeScore ShapeTest::operator()(const PromptReader& prompts, Model& model, double guidance,
                                     std::int64_t sample_steps, mg::Wording wording) const {
  constexpr std::size_t chunk = 32;
  Tape tape(Tape::Mode::infer);
  mg::ShapeScore score;
  for (std::size_t from = 0; from < scenes_.size(); from += chunk) {
    const auto part = std::span(scenes_).subspan(from, std::min(chunk, scenes_.size() - from));
    std::vector<std::string> captions;
    for (const auto& scene : part) captions.push_back(mg::caption_of(scene, wording));
    const auto made = prompts.sample(tape, model, captions, guidance, sample_steps, from);
    for (std::size_t i = 0; i < part.size(); ++i) {
      const mg::Clip clip = clip_of(made, std::int64_t(i));
      score.add(part[i], judge_.judge(clip), mg::psnr(clip, world_.draw(part[i])));
    }
  }
  return score;
}

mg::SwapResult swap_test(const FlowTask& task, Model& model, const ClipSource& source) {
  const ClipSet& set = task.data.validation;
  const mg::ShapeWorld world = source.shape_world(set.size, validation_seed);
  std::vector<mg::ShapeScene> scenes;
  for (std::size_t i = 0; i < set.count(); ++i) scenes.push_back(world.scene(i));
  Tape tape(Tape::Mode::infer);
  return mg::swap_test(
      scenes, [&](const std::vector<std::string>& captions) { return task.validation_loss(tape, model, captions); });
}

void print(std::ostream& out, const mg::SwapResult& result) {
  out << "| words exchanged | rise of the loss " << result.loss << " |\n|---|---|\n";
  for (const auto c : mg::word_classes)
    out << "| " << mg::name_of(c) << " | " << cell("%+.2f %%", 100 * result[c]) << " |\n";
}

void print_heading_of_scores(std::ostream& out) {
  out << "| % right |";
  for (const auto c : mg::word_classes) out << " " << mg::name_of(c) << " |";
  out << " whole objects | whole clips | PSNR (dB) |\n|---|---|---|---|---|---|---|---|---|\n";
}

void print(std::ostream& out, const std::string& what, const mg::ShapeScore& score) {
  out << "| " << what << " |";
  for (const auto c : mg::word_classes) out << cell(" %.1f |", 100 * score.right(c));
  out << cell(" %.1f |", 100 * score.whole_objects()) << cell(" %.1f |", 100 * score.whole_clips())
      << cell(" %.2f |", score.mean_psnr()) << std::endl;
}

}  // namespace example
