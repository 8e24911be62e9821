// SPDX-License-Identifier: MIT
// A pipeline through a plan: its transformers grow, all else goes along as it is, and a pipeline comes out.
#pragma once
#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/checkpoint/pipeline.hpp>
#include <modelgrow/grow/write.hpp>

namespace modelgrow::inline v0 {

/// A component that was not grown.
struct CarriedOver {
  std::string name;
  std::size_t shared = 0, copied = 0;  // files that share their blocks with the source, and copies
};

/// What became of a pipeline.
struct PipelineReport {
  std::vector<std::pair<std::string, Report>> grown;  // by component
  std::vector<CarriedOver> carried;
  std::vector<std::string> notes;
};

/// The components that a plan grows: the named one, or every transformer. Throws io_error for a name that is none.
std::vector<std::string> growing(const Pipeline& pipeline, const std::string& component);

/// Bytes of all tensors that write_pipeline writes. Throws format_error where the plan does not fit.
std::uint64_t pipeline_bytes(const Plan& plan, const Pipeline& pipeline, const std::string& component = {},
                             const StateOptions& state = {});

/// Grows every transformer of a pipeline, or only `component`, by one plan, into a new pipeline: all or nothing, each
/// proven as Plan::write does. What does not grow is carried over: large files share their blocks with the source or
/// are hard links to it where the file system allows. Throws what Plan::write throws.
PipelineReport write_pipeline(const Plan& plan, const Pipeline& pipeline, const std::filesystem::path& directory,
                              const WritePlan& options = {}, const std::string& component = {});

std::ostream& operator<<(std::ostream& os, const PipelineReport& r);
/// For machines.
std::string to_json(const PipelineReport& r);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/write_pipeline_inl.hpp>
#endif
