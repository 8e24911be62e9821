// SPDX-License-Identifier: MIT
// The proofs once more, for a grown folder that lies somewhere: its plan.json is replayed on the source, and every file
// is read back and compared.
#pragma once
#include <modelgrow/detail/json.hpp>
#include <modelgrow/grow/adapter_growth.hpp>
#include <modelgrow/grow/adapters_beside.hpp>
#include <modelgrow/grow/checkpoint_set.hpp>
#include <modelgrow/grow/checksums.hpp>
#include <modelgrow/grow/completeness.hpp>
#include <modelgrow/grow/optimizers/trajectory.hpp>
#include <modelgrow/grow/packed_state.hpp>
#include <modelgrow/grow/param_groups.hpp>
#include <modelgrow/grow/read_back.hpp>
#include <modelgrow/grow/read_plan.hpp>
#include <modelgrow/grow/torch_growth.hpp>
#include <modelgrow/grow/window_reader.hpp>
#include <modelgrow/grow/write.hpp>
#include <modelgrow/grow/write_part.hpp>

namespace modelgrow::inline v0 {

/// What was found about a grown folder.
struct GrownCheck {
  Certificate certificate, trajectory;
  bool read_back = false, as_written = false;  // as_written: its files have the checksums that they were written with
  std::size_t tensors = 0, optimizer_tensors = 0;  // that were compared
  double max_residual = 0;                         // over weights, variants and averages
  std::vector<std::string> grown_along = {};       // what is not the weights
  std::vector<std::string> not_finite = {};        // tensors with NaN or infinities
};

/// Where the source of a grown checkpoint lay when it was grown, its file of weights, and the keys that lead to them in
/// a torch file; empty for one that was not grown by this library.
struct SourceOf {
  std::filesystem::path path;
  std::string weights, state_dict;
};
inline SourceOf source_of(const Checkpoint& grown) {
  const auto it = grown.metadata().find("modelgrow");
  if (it == grown.metadata().end()) return {};
  const auto j = detail::parse_json(it->second, grown.path().string() + ": metadata 'modelgrow'");
  const auto text = [&](const char* key) {
    return j.is_object() && j.contains(key) && j[key].is_string() ? j[key].get<std::string>() : std::string();
  };
  return {.path = text("source"), .weights = text("weights"), .state_dict = text("state_dict")};
}
/// Opens the source of a grown checkpoint, which may have moved to `path`. Throws io_error.
inline Checkpoint open_source(const SourceOf& source, const std::filesystem::path& path) {
  std::error_code ignored;
  const bool named =
      std::filesystem::is_directory(path, ignored) && std::filesystem::exists(path / source.weights, ignored);
  return Checkpoint::open(path, {.weights = named ? source.weights : std::string(), .state_dict = source.state_dict});
}

namespace detail {
/// Reads a grown part and proves every tensor of it, and takes its files out of `sums`, which are those of `root`.
/// Throws check_error.
inline FileCheck check_part(const Plan& plan, const Part& part, const Checkpoint& grown, Checksums& sums,
                            const std::filesystem::path& root) {
  const auto old = set_of(part.in);
  const auto contents = part.kind == Part::Kind::optimizer ? Contents::optimizer : Contents::weights;
  const Promises promises(plan, contents, old, grown.weights_path().string());
  WindowReader reader(promises, old, grown, sums, root);
  FileCheck check = reader.check();
  for (const auto& name : reader.known()) sums.files.erase(name);
  return check;
}
}  // namespace detail

namespace detail {
/// The proof of a part in whatever form it has.
inline FileCheck check_grown_part(const Plan& plan, const Part& old, const Part& now, const Checkpoint& grown,
                                  const ParamGroupsOf& groups, Checksums& sums) {
  if (!is_one_store(grown))
    return old.torch ? check_torch_state(plan, old, grown.state_folder() / old.name, groups.at(old.name))
                     : check_part(plan, old, now.in, sums, grown.path());
  if (!old.torch) return check_weights(plan, set_of(old.in), set_of(now.in));
  return check_torch_state(plan, old, grown.path(), state_in_store(grown, old.name), groups.at(old.name));
}

/// How the state of the source was read when it was grown: what was not grown then is not asked for.
inline StateOptions state_as_grown(const Checkpoint& source, const Checkpoint& grown, const ParamGroupsOf& groups,
                                   StateOptions options) {
  for (const auto& [file, g] : groups) {
    options.names.emplace(file, g.before);
    if (options.optimizer.empty()) options.optimizer = g.optimizer;  // of those that do not tell it themselves
  }
  if (!grown.has_ema() && !is_one_store(grown)) {
    if (std::ranges::find(source.beside_weights(), averages_key) != source.beside_weights().end())
      options.leave_behind.emplace_back(averages_key);
    const auto files = torch_average_files(source, options);
    options.leave_behind.insert(options.leave_behind.end(), files.begin(), files.end());
  }
  if (std::error_code ignored; !std::filesystem::is_directory(source.state_folder(), ignored)) return options;
  for (const auto& f : list_folder(source.state_folder()))
    if (f.role == FileRole::foreign_optimizer && !f.name.ends_with(".distcp") && !groups.contains(f.name))
      options.leave_behind.push_back(f.name);
  return options;
}
}  // namespace detail

/// Replays plan.json of `grown` on its source, and compares its files with their checksums, where it has them, and with
/// that. Throws check_error that names the first difference, plan_error where the plan does not fit the source,
/// io_error where there is no plan.json.
inline GrownCheck check_grown(const Checkpoint& grown, const Checkpoint& source, Schema schema_of_source,
                              const StateOptions& options = {}) {
  const Plan plan = read_plan(grown.path() / "plan.json", std::move(schema_of_source));
  GrownCheck found{.certificate = plan.certificate(), .trajectory = plan.trajectory()};
  found.read_back = read_back(plan, grown);
  const auto groups = read_param_groups(grown.state_folder());
  const auto before = parts_of(source, detail::state_as_grown(source, grown, groups, options)), after = parts_of(grown);
  const auto find = [](const std::vector<Part>& parts, const Part& like) -> const Part* {
    for (const auto& p : parts)
      if (p.kind == like.kind && (p.kind == Part::Kind::weights || p.name == like.name)) return &p;
    return nullptr;
  };
  for (const auto& now : after)
    if (!find(before, now))
      throw check_error(grown.path().string() + ": '" + now.name + "' is in the grown folder, but not in its source");
  for (const auto& old : before)
    if (!find(after, old))
      throw check_error(grown.path().string() + ": '" + old.name + "' of its source is not in the grown folder");
  std::error_code ignored;
  found.as_written = std::filesystem::exists(grown.path() / Checksums::file, ignored);
  Checksums sums = found.as_written ? read_checksums(grown.path()) : Checksums{};
  check_sizes(sums, grown.path());
  for (const auto& old : before) {
    const Part* now = find(after, old);
    const FileCheck check = detail::check_grown_part(plan, old, *now, grown, groups, sums);
    for (const auto& n : check.not_finite) found.not_finite.push_back(old.name + ": " + to_string(n));
    if (old.kind != Part::Kind::weights) found.grown_along.push_back(old.name);
    if (old.kind == Part::Kind::optimizer) {
      const HeldState held(detail::set_of(old.in));
      for (const auto o : held.optimizers())
        found.trajectory =
            combine(found.trajectory, old.torch ? trajectory_of(plan, o) : trajectory_of(plan, std::vector{o}));
      if (old.torch) found.trajectory = combine(found.trajectory, rounding_of(*old.torch));
      found.optimizer_tensors += check.tensors.size();
    } else {
      found.tensors += check.tensors.size();
      found.max_residual = std::max(found.max_residual, check.max_residual);
    }
  }
  check_checksums(sums, grown.path());  // of what is left
  for (auto& old : adapters_beside(source).parts) {
    const AdapterGrowth growth(plan, source.names(), std::move(old.adapter));
    growth.check(grown.path() / old.folder);
    found.grown_along.push_back((old.folder / growth.file_name()).string());
  }
  return found;
}

}  // namespace modelgrow::inline v0
