// SPDX-License-Identifier: MIT
// The definitions of folder_growth.hpp about what torch left: optimizers in its files, and distributed checkpoints.
#pragma once
#include <algorithm>

#include <modelgrow/checkpoint/deepspeed_writer.hpp>
#include <modelgrow/checkpoint/torch_optimizer.hpp>
#include <modelgrow/checkpoint/torch_optimizer_writer.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/detail/carry.hpp>
#include <modelgrow/grow/checkpoint_set.hpp>
#include <modelgrow/grow/folder_growth.hpp>
#include <modelgrow/grow/left_behind.hpp>
#include <modelgrow/grow/made_tensor.hpp>
#include <modelgrow/grow/read_back.hpp>
#include <modelgrow/grow/stopwatch.hpp>
#include <modelgrow/grow/window_writer.hpp>
#include <modelgrow/grow/write.hpp>

namespace modelgrow::inline v0::detail {

/// How files of torch are written, with the memory that it takes.
MODELGROW_INLINE WriteWindows FolderGrowth::windows(Journal& journal) {
  const auto progress = [this](const ProgressReport& at) {
    report_.peak_private_bytes = std::max(report_.peak_private_bytes, private_memory());
    if (options_.progress) options_.progress(at);
  };
  return {.bytes = options_.window_bytes, .progress = progress, .journal = &journal};
}

/// Notes a file of torch that lies in the folder of the model.
MODELGROW_INLINE void FolderGrowth::note(const std::string& file, const WrittenFile& written) {
  checksums_.window_bytes = written.window_bytes;
  checksums_.files[file] = {.bytes = written.bytes, .windows = written.windows};
}

/// All parts of a checkpoint that is one store.
MODELGROW_INLINE void FolderGrowth::write_store(const std::filesystem::path& root, Journal& journal) {
  const auto folder = root / below_;
  auto begin = Clock::now();
  const auto lap = [&] { return std::exchange(begin, Clock::now()); };
  std::filesystem::create_directories(folder);
  for (const auto& g : parts_)
    if (!g.config.empty()) {
      write_file(folder / Checkpoint::config_file, g.config);
      report_.files.emplace_back(Checkpoint::config_file);
    }
  if (is_deepspeed(in_)) {
    write_deepspeed_run(folder);
    report_.seconds.write += seconds_since(lap());
    check_deepspeed_run(folder);
  } else {
    const auto places = write_distributed(folder, journal);
    report_.seconds.write += seconds_since(lap());
    check_distributed(folder, places);
  }
  report_.seconds.check += seconds_since(begin);
  report_.peak_private_bytes = std::max(report_.peak_private_bytes, private_memory());
  for (const auto& g : parts_) {
    if (g.part.kind != Part::Kind::weights) report_.grown_along.push_back(g.part.name);
    report_.optimizer_moved |= g.torch != nullptr;
  }
}

/// A distributed checkpoint, or the two of a run, whose first keys name the folder; returns where their tensors begin.
MODELGROW_INLINE FolderGrowth::Places FolderGrowth::write_distributed(const std::filesystem::path& folder,
                                                                      Journal& journal) {
  const auto source = DcpFolder::open(in_.store());
  std::map<std::string, std::vector<DcpEntry>> folders;
  const auto add = [&](std::vector<DcpEntry> more) {
    for (auto& e : more) {
      const auto* key = e.keys.front().get<std::string>();
      const auto below = key ? source.folder_of(*key) : std::string();
      if (!below.empty()) e.keys.erase(e.keys.begin());
      folders[below].push_back(std::move(e));
    }
  };
  for (auto& g : parts_) {
    g.first_place = std::size_t(std::ranges::count_if(folders[source.folder_of(g.part.name)],
                                                      [](const DcpEntry& e) { return e.tensor.has_value(); }));
    if (g.torch) {
      add(dcp_entries(g.torch->state(), g.part.name, dcp_layout(source, g.part.name)));
      continue;
    }
    g.proven = proven(g, folder);
    std::vector<JoinedTensor> grown;
    for (std::size_t i = 0; i < g.outputs.size(); ++i)
      grown.push_back(g.proven->tensor(i).renamed(g.part.in.prefix().with(g.outputs[i].target.name)));
    add(dcp_entries(grown, g.part.name));
  }
  add(dcp_contents(source, in_.state_dict()).others);
  Places places;
  for (const auto& [name, entries] : folders) {
    const std::filesystem::path below = name;
    auto written = write_dcp(folder / below, entries, Existing::replace, windows(journal));
    note((below / dcp_file).string(), written);
    for (const std::string_view file : {DcpFolder::metadata_file, std::string_view(dcp_file)})
      report_.files.push_back((below / file).string());
    places.emplace(name, std::move(written.tensors));
  }
  return places;
}

/// Ends the proofs of distributed checkpoints: that they are read as they were meant.
MODELGROW_INLINE void FolderGrowth::check_distributed(const std::filesystem::path& folder, const Places& places) {
  const auto written = DcpFolder::open(folder);
  for (auto& g : parts_) {
    const auto own = std::span(places.at(written.folder_of(g.part.name))).subspan(g.first_place);
    if (g.torch) {
      merge(g.torch->check(folder, dcp_optimizer(written, g.part.name), own), g.part);
      continue;
    }
    const auto tensors = written.tensors(g.part.name);
    std::map<std::string_view, const JoinedTensor*> by_name;
    for (const auto& t : tensors) by_name.emplace(t.name(), &t);
    for (std::size_t i = 0; i < g.outputs.size(); ++i) {
      const auto& target = g.outputs[i].target;
      const auto it = by_name.find(g.part.in.prefix().with(target.name));
      if (it == by_name.end()) throw check_error(folder.string() + ": tensor '" + target.name + "' is missing");
      check_place(*it->second, target, own[i], folder.string());
    }
    const bool weights = g.part.kind == Part::Kind::weights;
    const auto grown = weights ? Checkpoint::open(folder, {.state_dict = g.part.name})
                               : Checkpoint::of(folder, joined_file(folder, tensors));
    if (weights) report_.read_back = read_back(plan_, grown);
    merge(g.proven->check(set_of(grown)), g.part);
    g.proven.reset();
  }
}

/// A run of DeepSpeed.
MODELGROW_INLINE void FolderGrowth::write_deepspeed_run(const std::filesystem::path& folder) {
  const auto& model = parts_.front();
  const auto set = set_of(model.part.in);
  const auto named = [&](const std::string& name) { return model.part.in.prefix().with(name); };
  std::vector<DeepSpeedWeight> weights;
  for (const auto& o : model.outputs) {
    const auto source = o.parameter < 0 ? o.source->name : plan_.recipe(std::size_t(o.parameter)).source;
    weights.push_back({.tensor = made_tensor(plan_, set, o).renamed(named(o.target.name)), .source = named(source)});
  }
  for (const auto& file : write_deepspeed(in_.store(), folder, weights, parts_.back().torch->state()))
    report_.files.push_back(file.string());
}

/// Proves a run of DeepSpeed from its bytes.
MODELGROW_INLINE void FolderGrowth::check_deepspeed_run(const std::filesystem::path& folder) {
  const auto grown = Checkpoint::open(folder);
  for (const auto& g : parts_) {
    if (g.torch) {
      merge(check_torch_state(plan_, g.part, folder, state_in_store(grown, g.part.name), g.torch->groups()), g.part);
      continue;
    }
    report_.read_back = read_back(plan_, grown);
    merge(check_weights(plan_, set_of(g.part.in), set_of(grown)), g.part);
  }
}

/// State of torch.
MODELGROW_INLINE void FolderGrowth::write_state(const std::filesystem::path& root, Journal& journal, Grown& g) {
  const auto path = state_folder(root) / g.part.name;
  const auto begin = Clock::now();
  const auto written = write_torch_optimizer(path, g.torch->state(), Existing::replace, windows(journal));
  report_.seconds.write += seconds_since(begin);
  const auto end = Clock::now();
  merge(g.torch->check(path, read_torch_optimizer(path), written.tensors), g.part);
  report_.seconds.check += seconds_since(end);
  if (state_folder(root) == root / below_) note(g.part.name, written);
  report_.files.push_back(g.part.name);
  report_.grown_along.push_back(g.part.name);
  report_.optimizer_moved = true;
}

/// What lies beside the two folders of a run and its trainer resumes from: everything but models, other distributed
/// checkpoints, and what an earlier growth has written.
inline bool goes_with_two(const std::filesystem::path& run, const FolderFile& f) {
  if (f.role != FileRole::other && f.role != FileRole::pickle) return false;
  return !has_metadata(run / f.name) && !f.name.starts_with("plan.") && f.name != Checksums::file &&
         f.name != ParamGroups::file;
}

/// What goes with a state of torch and does not depend on sizes: schedulers, scalers, random numbers, counters.
MODELGROW_INLINE std::set<std::string> FolderGrowth::carry_state(const std::filesystem::path& folder) {
  std::set<std::string> carried;
  const auto& from = in_.state_folder();
  const bool of_two = is_distributed(in_) && !two_in(from).empty();
  const auto resumes = [&](const FolderFile& f) { return goes_along(f) || (of_two && goes_with_two(from, f)); };
  for (const auto& f : list_folder(from)) {
    if (!resumes(f) || fits_any(f.name, options_.state.leave_behind)) continue;
    std::filesystem::remove_all(folder / f.name);  // of an earlier try
    Carried done;
    carry(from / f.name, folder / f.name, done);
    carried.insert(f.name);
    report_.files.push_back(f.name);
  }
  return carried;
}

}  // namespace modelgrow::inline v0::detail
