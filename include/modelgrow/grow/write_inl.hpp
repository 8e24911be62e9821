// SPDX-License-Identifier: MIT
// Growing a checkpoint on disk: checks before, one file after another, proof by reading back, then the names.
#pragma once
#include <chrono>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/atomic_directory.hpp>
#include <modelgrow/detail/json_members.hpp>
#include <modelgrow/families/config_rules.hpp>
#include <modelgrow/grow/free_space.hpp>
#include <modelgrow/grow/left_behind.hpp>
#include <modelgrow/grow/plan_to_json.hpp>
#include <modelgrow/grow/read_back.hpp>
#include <modelgrow/grow/write.hpp>
#include <modelgrow/grow/write_part.hpp>
#include <modelgrow/grow/write_plan.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Replaces and adds keys of a JSON object, or entries of its lists ("input_size.0"); all others stay, in their order.
/// Throws format_error.
MODELGROW_INLINE std::string patched_config(const std::string& text, const ConfigPatch& patch,
                                            const std::string& where) {
  auto config = parse_json(text, where);
  if (!config.is_object()) throw format_error(where + ": the configuration is not a JSON object");
  bool changed = false;
  for (const auto& [key, value] : patch) {
    auto parsed = parse_json(value, "configuration key '" + key + "'");
    const auto dot = key.rfind('.');
    const std::string list = key.substr(0, dot), entry = dot == key.npos ? "" : key.substr(dot + 1);
    const bool in_list = !entry.empty() && all_digits(entry) && config.contains(list) && config[list].is_array() &&
                         std::stoull(entry) < config[list].size();
    auto& at = in_list ? config[list][std::stoull(entry)] : config[key];
    if (at == parsed) continue;
    at = std::move(parsed);
    changed = true;
  }
  return changed ? config.dump(2) + "\n" : text;
}

/// Names, types and shapes as one number, to recognise the source of a grown file.
inline std::uint64_t hash_of(const Checkpoint& c) {
  std::string text;
  for (const auto& t : c.names()) text += t.name + " " + std::string(name(t.dtype)) + " " + to_string(t.shape) + "\n";
  return hash_name(text);
}

inline Report report_of(const Plan& plan, const Checkpoint& in, const std::vector<Output>& outputs) {
  Report r{.family = plan.source().family,
           .certificate = plan.certificate(),
           .trajectory = plan.trajectory(),
           .parameters_before = plan.source().trained_elements(),
           .parameters_after = plan.schema().trained_elements(),
           .bytes_before = in.total_bytes(),
           .tensors = {},
           .passed_through = {},
           .files = {},
           .notes = {},
           .worst = {},
           .seconds = {}};
  for (const auto& o : outputs) {
    const std::uint64_t bytes = byte_size(o.target.dtype, o.target.shape).value();
    r.bytes_after += bytes;
    if (o.parameter < 0) {
      r.passed_through.push_back(o.target.name);
      continue;
    }
    r.tensors.push_back(TensorReport{.name = o.target.name,
                                     .before = o.source ? o.source->shape : Shape{},
                                     .after = o.target.shape,
                                     .recipe = to_string(plan.recipe(std::size_t(o.parameter))),
                                     .bytes = bytes,
                                     .rule = {}});
  }
  return r;
}

/// The configuration of a part after the growth: the keys that follow from sizes are new, all others stay, and grafts
/// are recorded, also where there was no configuration.
inline std::string grown_config(const Plan& plan, const Checkpoint& in, std::vector<std::string>& notes) {
  const Schema &old = plan.source(), &now = plan.schema();
  if (!now.config_patch && now.config.empty() && old.grafts == now.grafts)
    notes.push_back("config.json was copied as it was: family '" + old.family +
                    "' does not say which keys follow from sizes");
  return patched_config(in.config().empty() ? "{}" : in.config(),
                        now.config_patch ? now.config_patch(now) : changed_config(old, now),
                        (in.path() / Checkpoint::config_file).string());
}

inline void merge(Report& r, const FileCheck& check, const Part& part) {
  for (const auto& n : check.not_finite) r.not_finite.push_back(part.name + ": " + to_string(n));
  if (part.kind == Part::Kind::optimizer) return;
  r.checked += check.tensors.size();
  if (check.max_residual >= r.max_residual) {
    r.max_residual = check.max_residual;
    r.worst = check.max_residual > 0 ? part.name + ": " + check.worst : "";
  }
  if (part.kind != Part::Kind::weights) return;
  std::map<std::string_view, const TensorCheck*> found;
  for (const auto& t : check.tensors) found.emplace(t.name, &t);
  for (auto& t : r.tensors)
    if (const auto it = found.find(t.name); it != found.end()) {
      t.rule = it->second->rule;
      t.residual = it->second->residual;
    }
}

/// Throws plan_error that names tensors which are not finite.
inline void check_finite(const Report& report, const Checkpoint& in) {
  if (report.not_finite.empty()) return;
  std::string list;
  for (std::size_t i = 0; i < std::min<std::size_t>(report.not_finite.size(), 6); ++i)
    list += "\n  " + report.not_finite[i];
  throw plan_error(in.path().string() + ": " + std::to_string(report.not_finite.size()) +
                   " of its tensors hold values that are not finite, and what computes with them is not either:" +
                   list + (report.not_finite.size() > 6 ? "\n  .." : "") +
                   "\n  grow a checkpoint from before that, or allow it (WritePlan::non_finite, --allow-not-finite); "
                   "what was written is not kept");
}

}  // namespace detail

MODELGROW_INLINE Report Plan::write(const Checkpoint& in, const std::filesystem::path& directory,
                                    const WritePlan& options) const {
  using Clock = std::chrono::steady_clock;
  auto last = Clock::now();
  const auto lap = [&] {
    const auto before = std::exchange(last, Clock::now());
    return std::chrono::duration<double>(last - before).count();
  };
  if (const auto why = upstream_cannot(); !why.empty() && !allows(Allow::What::upstream))
    throw plan_error("the upstream class cannot load the grown model: " + why +
                     "; to write it all the same, give accept_upstream before it");
  if (options.existing == Existing::replace) detail::check_not_inside(in.path(), directory);
  const auto parts = parts_of(in);
  detail::check_complete(*this, parts);
  std::vector<std::vector<Output>> outputs;
  std::uint64_t bytes = detail::bytes_of_maps(*this);
  for (const auto& part : parts) bytes += detail::bytes_of(outputs.emplace_back(detail::outputs_of(*this, part)));
  Report report = detail::report_of(*this, in, outputs[0]);
  report.notes = notes();
  report.upstream_cannot = upstream_cannot();
  report.seconds.plan = lap();

  detail::AtomicDirectory out(directory, options.existing);
  detail::check_room(bytes, options.room ? options.room : free_bytes(directory), directory);
  const std::string plan_text = to_json(*this);
  std::vector<std::filesystem::path> written;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const Part& part = parts[i];
    const bool own_folder = part.kind == Part::Kind::averaged_model, weights = part.kind == Part::Kind::weights;
    const auto folder = own_folder ? out.path() / part.name : out.path();
    if (own_folder) std::filesystem::create_directory(folder);
    Metadata metadata = part.in.metadata();
    if (weights)
      metadata["modelgrow"] = detail::object_of({{"source", in.path().string()},
                                                 {"weights", in.weights_path().filename().string()},
                                                 {"source_schema_hash", detail::hash_of(in)},
                                                 {"plan_hash", hash_name(plan_text)},
                                                 {"certificate", to_string(certificate())}})
                                  .dump();
    if ((weights || own_folder) && (!part.in.config().empty() || schema_.grafts != source_.grafts)) {
      const std::string config = detail::grown_config(*this, part.in, report.notes);
      if (metadata.contains("config")) metadata["config"] = config;
      detail::write_file(folder / Checkpoint::config_file, config);
      if (weights) report.files.emplace_back(Checkpoint::config_file);
    }
    written.push_back(detail::write_outputs(*this, part.in, std::move(outputs[i]),
                                            folder / (own_folder ? detail::weights_name(part.in) : part.name), metadata,
                                            options));
    report.files.push_back(part.name);
    if (!weights) report.grown_along.push_back(part.name);
    report.optimizer_moved |= part.kind == Part::Kind::optimizer;
  }
  for (auto& note : left_behind(in, parts)) report.notes.push_back(std::move(note));
  for (const auto& file : write_plan(*this, out.path() / "plan.json")) report.files.push_back(file.filename().string());
  report.seconds.write = lap();

  try {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].kind == Part::Kind::weights)
        report.read_back = read_back(*this, Checkpoint::open(out.path(), {.weights = written[i].filename().string()}));
      if (parts[i].kind == Part::Kind::averaged_model) read_back(*this, Checkpoint::open(written[i].parent_path()));
      detail::merge(report, detail::check_part(*this, parts[i], Checkpoint::open(written[i])), parts[i]);
    }
  } catch (const check_error& e) {
    throw check_error(std::string(e.what()) + "; what was written is not kept");
  }
  if (options.non_finite == NonFinite::refuse) detail::check_finite(report, in);
  report.seconds.check = lap();
  out.commit();
  report.peak_rss_bytes = peak_rss();
  return report;
}

MODELGROW_INLINE Report Plan::write(const Checkpoint& in, const std::filesystem::path& directory) const {
  return write(in, directory, WritePlan{});
}

}  // namespace modelgrow::inline v0
