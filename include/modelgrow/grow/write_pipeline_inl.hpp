// SPDX-License-Identifier: MIT
// The definitions of write_pipeline.hpp.
#pragma once
#include <algorithm>
#include <ostream>

#include <modelgrow/checkpoint/folder_weights.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/carry.hpp>
#include <modelgrow/detail/json_members.hpp>
#include <modelgrow/grow/folder_growth.hpp>
#include <modelgrow/grow/free_space.hpp>
#include <modelgrow/grow/write_pipeline.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE std::vector<std::string> growing(const Pipeline& pipeline, const std::string& component) {
  if (component.empty()) return pipeline.models;
  if (std::find(pipeline.models.begin(), pipeline.models.end(), component) == pipeline.models.end())
    throw io_error("the pipeline '" + pipeline.path.string() + "' has no transformer '" + component +
                   "'; it has: " + detail::quoted_list(pipeline.models));
  return {component};
}

namespace detail {

/// Says which component does not fit the plan of the first.
[[noreturn]] inline void other_model(const std::string& name, const std::string& first, const format_error& e) {
  throw format_error(std::string(e.what()) + "; '" + name + "' is not of the same size as '" + first +
                     "', so one plan cannot grow both: grow one of them (--component)");
}

}  // namespace detail

MODELGROW_INLINE std::uint64_t pipeline_bytes(const Plan& plan, const Pipeline& pipeline, const std::string& component,
                                              const StateOptions& state) {
  const auto models = growing(pipeline, component);
  std::uint64_t bytes = 0;
  for (const auto& name : models) try {
      bytes += output_bytes(plan, Checkpoint::open(pipeline.path / name), state);
    } catch (const format_error& e) {
      if (name == models[0]) throw;
      detail::other_model(name, models[0], e);
    }
  return bytes;
}

MODELGROW_INLINE PipelineReport write_pipeline(const Plan& plan, const Pipeline& pipeline,
                                               const std::filesystem::path& directory, const WritePlan& options,
                                               const std::string& component) {
  const auto models = growing(pipeline, component);
  const auto grows = [&](const std::string& name) {
    return std::find(models.begin(), models.end(), name) != models.end();
  };
  if (options.existing == Existing::replace) detail::check_not_inside(pipeline.path, directory);
  std::deque<detail::FolderGrowth> growths;
  for (const auto& name : models) try {
      growths.emplace_back(plan, Checkpoint::open(pipeline.path / name), name, options);
    } catch (const format_error& e) {
      if (name == models[0]) throw;
      detail::other_model(name, models[0], e);
    }
  PipelineReport report;
  auto entries = pipeline.others;
  for (const auto& name : pipeline.models)
    if (!grows(name)) entries.push_back(name);
  auto reports = detail::write_folders(growths, directory, options, [&](const std::filesystem::path& root) {
    for (const auto& name : entries) {
      std::filesystem::remove_all(root / name);  // of an earlier try
      detail::Carried done;
      detail::carry(pipeline.path / name, root / name, done);
      report.carried.push_back(CarriedOver{.name = name, .shared = done.shared, .copied = done.copied});
    }
  });
  for (std::size_t i = 0; i < models.size(); ++i) report.grown.emplace_back(models[i], std::move(reports[i]));
  for (const auto& name : pipeline.models)
    if (!grows(name)) report.notes.push_back("'" + name + "' was carried over as it is: another component was named");
  for (const auto& name : pipeline.others)
    if (classify(name).role == FileRole::adapter && name != Adapter::config_file)
      report.notes.push_back("'" + name +
                             "' was carried over as it is: an adapter of the old model; name it (--adapter), "
                             "and it grows along");
  if (!pipeline.hidden.empty())
    report.notes.push_back("hidden entries were not copied: " + detail::quoted_list(pipeline.hidden));
  return report;
}

MODELGROW_INLINE std::ostream& operator<<(std::ostream& os, const PipelineReport& r) {
  for (const auto& [name, report] : r.grown) os << name << ": " << report;
  if (!r.carried.empty()) os << "carried over:";
  for (const auto& c : r.carried)
    os << " " << c.name << (c.shared > 0 ? " (" + std::to_string(c.shared) + " shared with the source)" : "");
  if (!r.carried.empty()) os << "\n";
  for (const auto& n : r.notes) os << "note: " << n << "\n";
  return os;
}

MODELGROW_INLINE std::string to_json(const PipelineReport& r) {
  using detail::json;
  json j = detail::object_of({{"components", json::object()}, {"carried_over", json::object()}, {"notes", r.notes}});
  for (const auto& [name, report] : r.grown) j["components"][name] = detail::parse_json(to_json(report), name);
  for (const auto& c : r.carried) detail::put(j["carried_over"][c.name], {{"shared", c.shared}, {"copied", c.copied}});
  return j.dump(2) + "\n";
}

}  // namespace modelgrow::inline v0
