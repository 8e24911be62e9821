// SPDX-License-Identifier: MIT
// The definitions of folder_growth.hpp about what torch left: optimizers in its files, and distributed checkpoints.
#pragma once
#include <modelgrow/checkpoint/deepspeed_writer.hpp>
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

/// All parts of a checkpoint that is one store.
MODELGROW_INLINE void FolderGrowth::write_store(const std::filesystem::path& root) {
  const auto folder = root / below_;
  const auto begin = Clock::now();
  std::filesystem::create_directories(folder);
  for (const auto& g : parts_)
    if (!g.config.empty()) {
      write_file(folder / Checkpoint::config_file, g.config);
      report_.files.emplace_back(Checkpoint::config_file);
    }
  is_deepspeed(in_) ? write_deepspeed_run(folder) : write_distributed(folder);
  report_.seconds.write += seconds_since(begin);
  report_.peak_private_bytes = private_memory();
  check_store(folder);
}

/// A distributed checkpoint.
MODELGROW_INLINE void FolderGrowth::write_distributed(const std::filesystem::path& folder) {
  const auto fresh = folder / "distributed";
  const auto source = DcpFolder::open(in_.weights_path().parent_path());
  auto entries = dcp_contents(source, in_.state_dict()).others;
  const auto add = [&](std::vector<DcpEntry> more) {
    entries.insert(entries.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  };
  std::deque<TensorSet> sets;
  for (const auto& g : parts_) {
    if (g.torch) {
      add(dcp_entries(g.torch->state(), g.part.name, dcp_layout(source, g.part.name)));
      continue;
    }
    const auto& set = sets.emplace_back(set_of(g.part.in));
    std::vector<JoinedTensor> tensors;
    for (const auto& o : g.outputs)
      tensors.push_back(made_tensor(plan_, set, o).renamed(g.part.in.prefix().with(o.target.name)));
    add(dcp_entries(tensors, g.part.name));
  }
  write_dcp(fresh, entries, Existing::replace);
  for (const auto& entry : std::filesystem::directory_iterator(fresh)) {
    std::filesystem::rename(entry.path(), folder / entry.path().filename());
    report_.files.push_back(entry.path().filename().string());
  }
  std::filesystem::remove(fresh);
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
  for (const auto& file :
       write_deepspeed(in_.weights_path().parent_path(), folder, weights, parts_.back().torch->state()))
    report_.files.push_back(file.string());
}

/// Proves what was written, from its bytes.
MODELGROW_INLINE void FolderGrowth::check_store(const std::filesystem::path& folder) {
  const auto begin = Clock::now();
  for (const auto& g : parts_) {
    if (g.torch) {
      merge(check_torch_state(plan_, g.part, folder, state_in_store(Checkpoint::open(folder), g.part.name),
                              g.torch->groups()),
            g.part);
      report_.optimizer_moved = true;
    } else {
      const bool averages = g.part.kind != Part::Kind::weights;
      const auto grown = averages
                             ? Checkpoint::of(folder, joined_file(folder, DcpFolder::open(folder).tensors(g.part.name)))
                         : is_deepspeed(in_) ? Checkpoint::open(folder)
                                             : Checkpoint::open(folder, {.state_dict = g.part.name});
      if (!averages) report_.read_back = read_back(plan_, grown);
      merge(check_weights(plan_, set_of(g.part.in), set_of(grown)), g.part);
    }
    if (g.part.kind != Part::Kind::weights) report_.grown_along.push_back(g.part.name);
  }
  report_.seconds.check += seconds_since(begin);
}

/// State of torch, which is proven once it is written.
MODELGROW_INLINE void FolderGrowth::write_state(const std::filesystem::path& root, Grown& g) {
  const auto path = state_folder(root) / g.part.name;
  const auto begin = Clock::now();
  g.torch->write(path);
  report_.seconds.write += seconds_since(begin);
  const auto written = Clock::now();
  merge(check_torch_state(plan_, g.part, path, g.torch->groups()), g.part);
  report_.seconds.check += seconds_since(written);
  report_.peak_private_bytes = std::max(report_.peak_private_bytes, private_memory());
  report_.files.push_back(g.part.name);
  report_.grown_along.push_back(g.part.name);
  report_.optimizer_moved = true;
}

/// What goes with a state of torch and does not depend on sizes: schedulers, scalers, random numbers, counters.
MODELGROW_INLINE std::set<std::string> FolderGrowth::carry_state(const std::filesystem::path& folder) {
  std::set<std::string> carried;
  for (const auto& f : list_folder(in_.state_folder())) {
    if (!goes_along(f) || fits_any(f.name, options_.state.leave_behind)) continue;
    std::filesystem::remove_all(folder / f.name);  // of an earlier try
    Carried done;
    carry_file(in_.state_folder() / f.name, folder / f.name, done);
    carried.insert(f.name);
    report_.files.push_back(f.name);
  }
  return carried;
}

}  // namespace modelgrow::inline v0::detail
