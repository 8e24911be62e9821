// SPDX-License-Identifier: MIT
// The definitions of folder_growth.hpp.
#pragma once
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/detail/carry.hpp>
#include <modelgrow/detail/json_members.hpp>
#include <modelgrow/families/config_rules.hpp>
#include <modelgrow/grow/claims.hpp>
#include <modelgrow/grow/folder_growth.hpp>
#include <modelgrow/grow/free_space.hpp>
#include <modelgrow/grow/gathered_verdicts.hpp>
#include <modelgrow/grow/left_behind.hpp>
#include <modelgrow/grow/optimizers/trajectory.hpp>
#include <modelgrow/grow/packed_state.hpp>
#include <modelgrow/grow/plan_to_json.hpp>
#include <modelgrow/grow/read_back.hpp>
#include <modelgrow/grow/stopwatch.hpp>
#include <modelgrow/grow/window_writer.hpp>
#include <modelgrow/grow/write.hpp>
#include <modelgrow/grow/write_part.hpp>
#include <modelgrow/grow/write_plan.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Names, types and shapes as one number, to recognise the source of a grown file.
inline std::uint64_t hash_of(const Checkpoint& c) {
  std::string text;
  for (const auto& t : c.names()) text += t.name + " " + std::string(name(t.dtype)) + " " + to_string(t.shape) + "\n";
  return hash_name(text);
}

inline Report report_of(const Plan& plan, const Checkpoint& in, const std::vector<Output>& outputs) {
  Report r = report_of(plan);
  r.bytes_before = in.total_bytes();
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

MODELGROW_INLINE FolderGrowth::FolderGrowth(const Plan& plan, const Checkpoint& in, std::filesystem::path below,
                                            const WritePlan& options)
    : plan_(plan),
      in_(in),
      below_(std::move(below)),
      options_(options),
      ranks_(options.ranks ? *options.ranks : alone_),
      plan_text_(to_json(plan)) {
  const auto begin = Clock::now();
  if (const auto why = plan.upstream_cannot(); !why.empty() && !plan.allows(Allow::What::upstream))
    throw plan_error("the upstream class cannot load the grown model: " + why +
                     "; to write it all the same, give accept_upstream before it");
  auto parts = parts_of(in, options.state, &unread_);
  check_complete(plan, parts);
  bytes_ = bytes_of_maps(plan);
  for (auto& part : parts) add(std::move(part));
  beside_ = adapters_beside(in);
  for (const auto& part : beside_.parts) try {
      add(part);
    } catch (const plan_error& e) {
      throw plan_error(e.what() + std::string("; to grow without it, take it out of the folder"));
    }
  for (const auto& path : options.adapters) add(named_adapter(path));
  report_ = report_of(plan, in, parts_[0].outputs);
  report_.notes = plan.notes();
  judge_optimizers();
  for (const auto& g : parts_) report_.notes.insert(report_.notes.end(), g.notes.begin(), g.notes.end());
  report_.upstream_cannot = plan.upstream_cannot();
  report_.seconds.plan = seconds_since(begin);
}

/// What is claimed and told of the trajectory under the optimizers of the folder.
MODELGROW_INLINE void FolderGrowth::judge_optimizers() {
  for (const auto& g : parts_) {
    if (g.part.kind != Part::Kind::optimizer) continue;
    const auto optimizers = HeldState(set_of(g.part.in)).optimizers();
    report_.trajectory = combine(report_.trajectory, trajectory_of(plan_, optimizers));
    for (const auto o : optimizers) {
      if (g.torch) report_.trajectory = combine(report_.trajectory, trajectory_of(plan_, o));
      if (auto note = newcomers_of(plan_, o); !note.empty()) report_.notes.push_back(std::move(note));
    }
    if (g.torch) judge_groups(*g.torch);
    if (g.torch) report_.trajectory = combine(report_.trajectory, rounding_of(*g.part.torch));
  }
  for (const auto& [file, why] : unread_)
    if (is_distributed(in_)) report_.notes.push_back("'" + file + "' was not grown: " + why);
  for (const auto& [file, why] : unread_)
    report_.trajectory = combine(report_.trajectory, approximate("'" + file + "' was left behind"));
}

/// What the trainer has to do so that the claim holds.
MODELGROW_INLINE void FolderGrowth::judge_groups(const TorchGrowth& torch) {
  const auto& splits = torch.groups().splits;
  if (!splits.empty())
    report_.trajectory = combine(
        report_.trajectory,
        Certificate{.exactness = Exactness::exact_if, .reason = "the trainer takes the groups of param_groups.json"});
  std::size_t parameters = 0;
  for (const auto& s : splits) parameters += s.parameters.size();
  if (parameters > 0)
    report_.notes.push_back(std::to_string(parameters) +
                            " parameters need rates of their own, which param_groups.json has: " +
                            (torch.state().joined ? "the run was written with these groups, which a trainer makes "
                                                    "before deepspeed.initialize"
                                                  : "without them the trajectory is APPROXIMATE") +
                            " (docs/training-state.md has the lines for a trainer)");
  if (torch.state().joined && adds_parameters(plan_))
    report_.notes.emplace_back(
        "ZeRO counts the steps of a group, not of a parameter, so that the first steps of new parameters are of "
        "another size: with AdamW up to (1 - beta1) / sqrt(1 - beta2) rates");
  if (const auto& uneven = torch.uneven(); !uneven.empty())
    report_.trajectory = combine(
        report_.trajectory, approximate("rates differ within '" + uneven[0] + "', and groups have one for all of it"));
}

/// What becomes of one part, in which files.
MODELGROW_INLINE void FolderGrowth::add(Part part) {
  Grown& g = parts_.emplace_back(std::move(part));
  const Checkpoint& in = g.part.in;
  const bool weights = g.part.kind == Part::Kind::weights;
  g.own_folder = g.part.kind == Part::Kind::averaged_model;
  source_.add(in);
  g.outputs = outputs_of(plan_, g.part);
  bytes_ += bytes_of(g.outputs);
  if (g.part.torch) {
    g.torch = std::make_unique<TorchGrowth>(plan_, g.part, g.outputs);
    return;
  }
  if (is_one_store(in_)) {
    if (weights && (!in.config().empty() || plan_.schema().grafts != plan_.source().grafts))
      g.config = grown_config(plan_, in, g.notes);
    return;
  }
  Metadata metadata = in.metadata();
  if (weights)
    metadata["modelgrow"] = object_of({{"source", in_.path().string()},
                                       {"weights", in_.weights_path().filename().string()},
                                       {"state_dict", in_.state_dict()},
                                       {"source_schema_hash", hash_of(in_)},
                                       {"plan_hash", hash_name(plan_text_)},
                                       {"certificate", to_string(plan_.certificate())}})
                                .dump();
  if ((weights || g.own_folder) && (!in.config().empty() || plan_.schema().grafts != plan_.source().grafts)) {
    g.config = grown_config(plan_, in, g.notes);
    if (metadata.contains("config")) metadata["config"] = g.config;
  }
  std::vector<NamedShape> declared;
  for (const auto& o : g.outputs) {
    declared.push_back(o.target);
    declared.back().name = in.prefix().with(o.target.name);
  }
  const auto folder = g.own_folder ? below_ / g.part.name : below_;
  g.layout = layout_of_shards(folder / (g.own_folder ? weights_name(in) : g.part.name), std::move(declared),
                              std::move(metadata), options_.shard_bytes ? options_.shard_bytes : largest_file(in));
}

MODELGROW_INLINE void FolderGrowth::add(AdapterPart part) {
  source_.add(part.adapter.file());
  AdapterGrowth growth(plan_, in_.names(), std::move(part.adapter));
  for (const auto& other : adapters_)
    if (other.folder == part.folder && other.growth.file_name() == growth.file_name())
      throw plan_error("two adapters would be written to '" + (part.folder / growth.file_name()).string() +
                       "'; give one of them another name");
  bytes_ += growth.bytes();
  adapters_.push_back(GrownAdapter{.folder = std::move(part.folder), .growth = std::move(growth)});
}

MODELGROW_INLINE std::string FolderGrowth::plan_hash() const { return std::to_string(hash_name(plan_text_)); }

MODELGROW_INLINE std::string FolderGrowth::layout_hash() const {
  std::string all = std::to_string(options_.window_bytes);
  for (const auto& g : parts_)
    if (g.torch) all += "\n" + to_json(ParamGroupsOf{{g.part.name, g.torch->groups()}});
  for (const auto& g : parts_)
    for (const auto& f : g.layout.files)
      all += "\n" + f.path.string() + " " + std::to_string(f.bytes()) + " " + std::to_string(hash_name(f.header));
  return std::to_string(hash_name(all));
}

/// The tensors of a part; errors begin with where they will lie.
MODELGROW_INLINE std::unique_ptr<ProvenTensors> FolderGrowth::proven(const Grown& g,
                                                                     const std::filesystem::path& where) const {
  const auto contents = g.part.kind == Part::Kind::optimizer ? Contents::optimizer : Contents::weights;
  return std::make_unique<ProvenTensors>(plan_, contents, set_of(g.part.in), g.outputs, where.string());
}

MODELGROW_INLINE void FolderGrowth::write_part(const std::filesystem::path& root, Journal& journal, Grown& g) {
  const auto place = [&](std::filesystem::path& path) { path = root / path; };
  place(g.layout.path);
  for (auto& f : g.layout.files) place(f.path);
  const auto folder = g.layout.path.parent_path();
  if (ranks_.first()) {
    std::filesystem::create_directories(folder);
    if (!g.config.empty()) write_file(folder / Checkpoint::config_file, g.config);
    if (!g.layout.index_text.empty()) write_file(g.layout.path, g.layout.index_text);
  }
  if (!g.config.empty() && !g.own_folder) report_.files.emplace_back(Checkpoint::config_file);
  const bool optimizer = g.part.kind == Part::Kind::optimizer;
  const auto tensors = proven(g, g.layout.path);
  WindowWriter writer(
      *tensors, g.layout, [&](const std::string& name) { return g.part.in.prefix().with(name); }, ranks_);
  const auto begin = Clock::now();
  writer.write(root, journal, options_);
  report_.seconds.write += seconds_since(begin);
  report_.peak_private_bytes = std::max(report_.peak_private_bytes, writer.peak_private());

  const auto written = Clock::now();
  if (g.part.kind == Part::Kind::weights)
    report_.read_back = read_back(plan_, Checkpoint::open(folder, {.weights = g.layout.path.filename().string()}));
  if (g.own_folder) read_back(plan_, Checkpoint::open(folder));
  const auto grown = Checkpoint::open(g.layout.path);
  merge(tensors->judge(gathered(ranks_, tensors->verdicts(set_of(grown)))), g.part);
  report_.seconds.check += seconds_since(written);
  for (auto& [name, sums] : writer.checksums().files)
    checksums_.files[g.own_folder ? g.part.name + "/" + name : name] = sums;
  checksums_.window_bytes = writer.checksums().window_bytes;
  report_.files.push_back(g.part.name);
  if (g.part.kind != Part::Kind::weights) report_.grown_along.push_back(g.part.name);
  report_.optimizer_moved |= optimizer;
}

MODELGROW_INLINE void FolderGrowth::write_adapters(const std::filesystem::path& folder) {
  std::filesystem::remove_all(folder / AdaptersBeside::own_folder);  // of an earlier try
  for (const auto& [below, growth] : adapters_) {
    growth.write(folder / below);
    report_.files.push_back((below / growth.file_name()).string());
    report_.grown_along.push_back(report_.files.back());
    report_.notes.insert(report_.notes.end(), growth.notes().begin(), growth.notes().end());
  }
}

MODELGROW_INLINE Report FolderGrowth::write(const std::filesystem::path& root, Journal& journal) {
  const bool store = is_one_store(in_);
  for (auto& g : parts_)
    if (!g.torch && !store)
      write_part(root, journal, g);
    else if (!store && ranks_.first())
      write_state(root, journal, g);
  if (store && ranks_.first()) write_store(root, journal);
  check_finite();
  source_.check_unchanged();
  if (ranks_.first()) write_beside(root);
  report_.peak_rss_bytes = peak_rss();
  return std::move(report_);
}

/// All that is not tensors of the model.
MODELGROW_INLINE void FolderGrowth::write_beside(const std::filesystem::path& root) {
  const auto begin = Clock::now();
  const auto folder = root / below_;
  std::vector<Part> parts;
  ParamGroupsOf groups;
  for (const auto& g : parts_) {
    if (g.torch) groups.emplace(g.part.name, g.torch->groups());
    parts.push_back(g.part);
  }
  std::set<std::string> carried;
  if (!groups.empty()) {
    write_file(state_folder(root) / ParamGroups::file, to_json(groups));
    report_.files.emplace_back(ParamGroups::file);
    carried = carry_state(state_folder(root));
  }
  write_adapters(folder);
  source_.check_unchanged();
  for (auto& note : left_behind(in_, parts, unread_, carried, beside_)) report_.notes.push_back(std::move(note));
  for (const auto& file : write_plan(plan_, folder / "plan.json")) report_.files.push_back(file.filename().string());
  if (!checksums_.files.empty()) {  // of files that are written window by window
    write_checksums(checksums_, folder);
    report_.files.emplace_back(Checksums::file);
  }
  report_.seconds.write += seconds_since(begin);
}

MODELGROW_INLINE void FolderGrowth::merge(const FileCheck& check, const Part& part) {
  Report& r = report_;
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
MODELGROW_INLINE void FolderGrowth::check_finite() const {
  const auto& all = report_.not_finite;
  if (options_.non_finite == NonFinite::allow || all.empty()) return;
  std::string list;
  for (std::size_t i = 0; i < std::min<std::size_t>(all.size(), 6); ++i) list += "\n  " + all[i];
  throw plan_error(in_.path().string() + ": " + std::to_string(all.size()) +
                   " of its tensors hold values that are not finite, and what computes with them is not either:" +
                   list + (all.size() > 6 ? "\n  .." : "") +
                   "\n  grow a checkpoint from before that, or allow it (WritePlan::non_finite, --allow-not-finite); "
                   "what was written is not kept");
}

MODELGROW_INLINE std::vector<Report> write_folders(
    std::deque<FolderGrowth>& growths, const std::filesystem::path& directory, const WritePlan& options,
    const std::function<void(const std::filesystem::path& root)>& beside) {
  std::uint64_t bytes = 0;
  std::string plans, sources, layouts;
  for (const auto& g : growths) {
    bytes += g.bytes();
    plans += g.plan_hash() + " ";
    sources += g.source_state() + " ";
    layouts += g.layout_hash() + " ";
  }
  const Journal::Facts facts{{"plan", plans}, {"state of the source", sources}, {"layout of files", layouts}};
  Ranks alone;
  Ranks& ranks = options.ranks ? *options.ranks : alone;
  std::optional<ResumableDirectory> out;  // of rank 0
  std::optional<Journal> journal;
  const auto root = unfinished_path(directory);
  ranks.together([&] {
    ranks.agree(facts);
    if (ranks.first()) {
      out.emplace(directory, options.existing, options.unfinished);
      check_room(bytes - std::min(bytes, out->bytes_taken()), options.room ? options.room : free_bytes(directory),
                 directory);
      journal.emplace(root, facts);
    }
    ranks.meet_in(root);
    if (!ranks.first()) journal.emplace(root, facts, ranks.rank());
  });
  const auto keep = [&] {
    if (!out) return std::string();
    const std::uint64_t kept = Journal::windows_in(root) * options.window_bytes;
    if (!out->resumed() && (kept == 0 || kept < options.keep_bytes)) return std::string();
    out->keep();
    return "; what was written so far is kept in '" + root.string() +
           "': the same command goes on from there, or begins anew with Unfinished::begin_anew (--no-resume)";
  };
  const auto discard = [&] {
    if (out) out->discard();
  };
  std::vector<Report> reports;
  try {
    ranks.together([&] {
      if (beside && ranks.first()) beside(root);
      for (auto& g : growths) reports.push_back(g.write(root, *journal));
      journal.reset();
      ranks.all();
      if (out) out->commit();
    });
  } catch (const check_error& e) {
    discard();
    throw check_error(std::string(e.what()) + "; what was written is not kept");
  } catch (const io_error& e) {
    throw io_error(e.what() + keep());
  } catch (const error&) {
    discard();
    throw;
  } catch (...) {
    keep();
    throw;
  }
  return reports;
}

}  // namespace detail

}  // namespace modelgrow::inline v0
