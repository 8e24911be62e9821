// SPDX-License-Identifier: MIT
// The same held-out captions sampled from several models, one below the other and below the clip that they describe.
#pragma once
#include <modelgrow/data/shape_judge.hpp>
#include <modelgrow/media/contact_sheet.hpp>

#include "flow_task.hpp"

namespace example {

/// Samples of some captions, from all over those held out. Of moving shapes they are those of two objects and three,
/// and the judge says how many words are right.
class Gallery {
 public:
  struct Options {
    std::int64_t prompts = 8, sample_steps = 24;
    double guidance = 3;
    std::uint64_t seed = 1;
  };
  Gallery(const FlowTask& task, const ClipSource& source, const Options& options);

  /// Adds what the model makes of the captions.
  void add(const std::string& label, Model& model);

  const std::vector<std::string>& captions() const { return captions_; }
  /// A row a caption.
  const std::vector<mg::ContactRow>& rows() const { return rows_; }
  /// The clips alone: those of a caption below each other.
  mg::Clip grid() const;

 private:
  std::string marked(const std::string& label, std::size_t row, const mg::Clip& clip) const;

  const FlowTask& task_;
  Options options_;
  std::vector<std::string> captions_;
  std::vector<mg::ContactRow> rows_;
  std::vector<mg::ShapeScene> scenes_;  // of moving shapes
  std::optional<mg::ShapeJudge> judge_;
};

}  // namespace example
