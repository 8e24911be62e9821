// SPDX-License-Identifier: MIT
// Growing a checkpoint on disk: checks before, one file after another, proof by reading back, then the names.
#pragma once
#include <chrono>

#include <modelgrow/checkpoint/shards.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/atomic_directory.hpp>
#include <modelgrow/families/config_rules.hpp>
#include <modelgrow/grow/apply.hpp>
#include <modelgrow/grow/checkpoint_set.hpp>
#include <modelgrow/grow/completeness.hpp>
#include <modelgrow/grow/file_check.hpp>
#include <modelgrow/grow/left_behind.hpp>
#include <modelgrow/grow/plan_json.hpp>
#include <modelgrow/grow/read_back.hpp>
#include <modelgrow/grow/write.hpp>

namespace modelgrow::inline v0 {

namespace detail {

MODELGROW_INLINE std::string patched_config(const std::string& text, const ConfigPatch& patch,
                                            const std::string& where) {
  auto config = parse_json(text, where);
  if (!config.is_object()) throw format_error(where + ": the configuration is not a JSON object");
  bool changed = false;
  for (const auto& [key, value] : patch) {
    auto parsed = parse_json(value, "configuration key '" + key + "'");
    if (config.contains(key) && config[key] == parsed) continue;
    config[key] = std::move(parsed);
    changed = true;
  }
  return changed ? config.dump(2) + "\n" : text;
}

/// "model.safetensors" for a file or an index of that name.
inline std::string weights_name(const Checkpoint& in) {
  const std::string name = in.weights_path().filename().string();
  constexpr std::string_view index = ".index.json";
  return name.ends_with(index) ? name.substr(0, name.size() - index.size()) : name;
}

inline std::uint64_t largest_file(const Checkpoint& in) {
  std::uint64_t most = 0;
  for (const auto& f : in.files()) {
    std::uint64_t n = 0;
    for (const auto& t : f.tensors()) n += t.bytes;
    most = std::max(most, n);
  }
  return in.files().size() > 1 ? std::max<std::uint64_t>(most, 1) : UINT64_MAX;
}

/// Streams outputs into a file, in the order of the file.
inline void write_outputs(const Plan& plan, const Checkpoint& in, std::vector<Output> outputs,
                          const std::filesystem::path& path, const Metadata& metadata, const WritePlan& options) {
  std::vector<NamedShape> declared;
  for (const auto& o : outputs) declared.push_back(o.target);
  CheckpointWriter writer(path, declared, metadata,
                          WriteOptions{.shard_bytes = options.shard_bytes ? options.shard_bytes : largest_file(in)});
  std::map<std::string, std::size_t> place;
  for (const auto& t : writer.tensors()) place.emplace(t.name, place.size());
  std::vector<Output> ordered(outputs.size());
  for (auto& o : outputs) ordered[place.at(o.target.name)] = std::move(o);
  const auto put = [&](std::size_t i, std::span<const std::byte> bytes) {
    writer.write(ordered[i].target.name, bytes);
  };
  apply(plan, set_of(in), ordered, put, options.progress);
  writer.commit();
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

inline void merge(Report& r, const FileCheck& check, const std::string& file) {
  r.checked += check.tensors.size();
  if (check.max_residual >= r.max_residual) {
    r.max_residual = check.max_residual;
    r.worst = check.max_residual > 0 ? file + ": " + check.worst : "";
  }
}

/// Reads the grown folder back and recomputes every tensor of it. Throws check_error.
inline void prove(const Plan& plan, const Checkpoint& in, const Checkpoint* optimizer, const Checkpoint* ema,
                  const Checkpoint& written, Report& report) {
  report.read_back = read_back(plan, written);
  const FileCheck check = check_weights(plan, set_of(in), set_of(written));
  std::map<std::string_view, const TensorCheck*> found;
  for (const auto& t : check.tensors) found.emplace(t.name, &t);
  for (auto& t : report.tensors)
    if (const auto it = found.find(t.name); it != found.end()) {
      t.rule = it->second->rule;
      t.residual = it->second->residual;
    }
  merge(report, check, weights_name(in));
  if (ema) merge(report, check_weights(plan, set_of(*ema), set_of(written.ema())), std::string(Checkpoint::ema_file));
  if (optimizer) check_optimizer(plan, set_of(*optimizer), set_of(written.optimizer()));
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
  std::optional<Checkpoint> optimizer, ema;
  if (in.has_optimizer()) check_optimizer_complete(*this, detail::set_of(optimizer.emplace(in.optimizer())));
  if (in.has_ema()) {
    const auto state = optimizer ? std::optional(detail::set_of(*optimizer)) : std::nullopt;
    check_averages_complete(*this, detail::set_of(ema.emplace(in.ema())), state ? &*state : nullptr);
  }
  auto outputs = weight_outputs(*this, detail::set_of(in));
  Report report = detail::report_of(*this, in, outputs);
  report.notes = notes();
  report.upstream_cannot = upstream_cannot();
  report.seconds.plan = lap();

  detail::AtomicDirectory out(directory, options.existing);
  const std::string plan_text = to_json(*this), weights = detail::weights_name(in);
  Metadata metadata = in.metadata();
  metadata["modelgrow"] = detail::json{{"source", in.path().string()},
                                       {"source_schema_hash", detail::hash_of(in)},
                                       {"plan_hash", hash_name(plan_text)},
                                       {"certificate", to_string(certificate())}}
                              .dump();
  std::string config = in.config();
  const bool grafted = schema_.grafts != source_.grafts;
  if (!config.empty() || grafted) {
    const auto patch = schema_.config_patch ? schema_.config_patch(schema_) : changed_config(source_, schema_);
    config =
        detail::patched_config(config.empty() ? "{}" : config, patch, (in.path() / Checkpoint::config_file).string());
    if (!schema_.config_patch && schema_.config.empty() && !grafted)
      report.notes.push_back("config.json was copied as it was: family '" + source_.family +
                             "' does not say which keys follow from sizes");
    if (metadata.contains("config")) metadata["config"] = config;
    detail::write_file(out.path() / Checkpoint::config_file, config);
    report.files.emplace_back(Checkpoint::config_file);
  }
  for (auto& note : left_behind(in)) report.notes.push_back(std::move(note));
  detail::write_outputs(*this, in, std::move(outputs), out.path() / weights, metadata, options);
  report.files.push_back(weights);
  if (optimizer) {
    detail::write_outputs(*this, *optimizer, optimizer_outputs(*this, detail::set_of(*optimizer)),
                          out.path() / Checkpoint::optimizer_file, optimizer->metadata(), options);
    report.files.emplace_back(Checkpoint::optimizer_file);
    report.optimizer_moved = true;
  }
  if (ema) {
    detail::write_outputs(*this, *ema, weight_outputs(*this, detail::set_of(*ema), Absent::leave_out),
                          out.path() / Checkpoint::ema_file, ema->metadata(), options);
    report.files.emplace_back(Checkpoint::ema_file);
  }
  detail::write_file(out.path() / "plan.json", plan_text);
  report.files.emplace_back("plan.json");
  report.seconds.write = lap();

  const Checkpoint written = Checkpoint::open(out.path());
  try {
    detail::prove(*this, in, optimizer ? &*optimizer : nullptr, ema ? &*ema : nullptr, written, report);
  } catch (const check_error& e) {
    throw check_error(std::string(e.what()) + "; what was written is not kept");
  }
  report.seconds.check = lap();
  out.commit();
  report.peak_rss_bytes = peak_rss();
  return report;
}

MODELGROW_INLINE Report Plan::write(const Checkpoint& in, const std::filesystem::path& directory) const {
  return write(in, directory, WritePlan{});
}

}  // namespace modelgrow::inline v0
