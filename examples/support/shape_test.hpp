// SPDX-License-Identifier: MIT
// Whether a model of moving shapes reads its prompts and draws what they say: the swap test, and sampled clips judged.
#pragma once
#include <iosfwd>

#include <modelgrow/data/shape_judge.hpp>
#include <modelgrow/data/shape_score.hpp>
#include <modelgrow/data/swap_test.hpp>

#include "flow_task.hpp"

namespace example {

/// Prompts of exactly so many moving shapes, never trained on, and the judge of what a model makes of them.
class ShapeTest {
 public:
  ShapeTest(const ClipSource& source, const mg::StditConfig& video, int objects, std::size_t clips);

  /// Samples a clip for each prompt and judges it.
  mg::ShapeScore operator()(const PromptReader& prompts, Model& model, double guidance, std::int64_t sample_steps,
                            mg::Wording wording = mg::Wording::trained) const;

 private:
  mg::ShapeWorld world_;
  mg::ShapeJudge judge_;
  std::vector<mg::ShapeScene> scenes_;
};

/// The swap test on the validation clips of moving shapes.
mg::SwapResult swap_test(const FlowTask& task, Model& model, const ClipSource& source);

/// Tables, in percent.
void print(std::ostream& out, const mg::SwapResult& result);
void print_heading_of_scores(std::ostream& out);
void print(std::ostream& out, const std::string& what, const mg::ShapeScore& score);

}  // namespace example
