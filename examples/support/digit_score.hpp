// SPDX-License-Identifier: MIT
// Whether a model of moving digits draws what its prompt says: clips are sampled and judged.
#pragma once
#include <modelgrow/data/digit_judge.hpp>

#include "flow_task.hpp"

namespace example {

/// Prompts with one or two moving digits, never trained on, and the judge of what a model makes of them.
class DigitTest {
 public:
  /// Shares of digits that were recognised, and that moved where the prompt says.
  struct Score {
    double label = 0, direction = 0;
  };

  /// Clips of `source`'s kind with 1 or 2 digits each.
  DigitTest(const ClipSource& source, const mg::StditConfig& video, int digits, std::size_t clips)
      : digits_(digits),
        scenes_(mg::load_digits(source.digit_images), {.frames = int(video.input_size[0]),
                                                       .height = int(video.input_size[1]),
                                                       .width = int(video.input_size[2]),
                                                       .min_digits = digits,
                                                       .max_digits = digits,
                                                       .edge = source.edge,
                                                       .seed = 3}),
        judge_(mg::load_digits(source.digit_images), scenes_.options()) {
    for (std::size_t i = 0; i < clips; ++i) prompts_.push_back(scenes_.scene(i).caption());
  }

  const std::vector<std::string>& prompts() const { return prompts_; }

  /// Samples a clip for each prompt and judges it.
  Score operator()(const FlowTask& task, Model& model, double guidance, std::int64_t sample_steps) const {
    constexpr std::size_t chunk = 16;
    const auto& o = scenes_.options();
    Tape tape(Tape::Mode::infer);
    Score score;
    for (std::size_t from = 0; from < prompts_.size(); from += chunk) {
      const auto part = std::span(prompts_).subspan(from, std::min(chunk, prompts_.size() - from));
      const auto made = task.sample(tape, model, {part.begin(), part.end()}, guidance, sample_steps, from);
      const auto n = std::size_t(made.size() / made.dim(0));
      for (std::size_t i = 0; i < part.size(); ++i) {
        const std::span<const float> values(made.data() + i * n, n);
        const auto seen = judge_.judge(mg::from_float(values, o.frames, o.height, o.width, 1), digits_);
        const mg::Agreement found = mg::agreement(seen, scenes_.scene(from + i));
        score.label += found.label / double(prompts_.size());
        score.direction += found.direction / double(prompts_.size());
      }
    }
    return score;
  }

 private:
  int digits_;
  mg::BouncingDigits scenes_;
  mg::DigitJudge judge_;
  std::vector<std::string> prompts_;
};

}  // namespace example
