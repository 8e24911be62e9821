// SPDX-License-Identifier: MIT
// The definitions of folder_growth.hpp about what torch left: optimizers in its files, and distributed checkpoints.
#pragma once
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

/// All parts of a distributed checkpoint, in one folder.
MODELGROW_INLINE void FolderGrowth::write_distributed(const std::filesystem::path& root) {
  const auto folder = root / below_, fresh = folder / "distributed";
  const auto begin = Clock::now();
  std::filesystem::create_directories(folder);
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
    if (!g.config.empty()) {
      write_file(folder / Checkpoint::config_file, g.config);
      report_.files.emplace_back(Checkpoint::config_file);
    }
  }
  write_dcp(fresh, entries, Existing::replace);
  for (const auto& entry : std::filesystem::directory_iterator(fresh)) {
    std::filesystem::rename(entry.path(), folder / entry.path().filename());
    report_.files.push_back(entry.path().filename().string());
  }
  std::filesystem::remove(fresh);
  report_.seconds.write += seconds_since(begin);
  report_.peak_private_bytes = private_memory();
  check_distributed(folder);
}

/// Proves what was written, from its bytes.
MODELGROW_INLINE void FolderGrowth::check_distributed(const std::filesystem::path& folder) {
  const auto begin = Clock::now();
  const auto written = DcpFolder::open(folder);
  for (const auto& g : parts_) {
    if (g.torch) {
      merge(check_torch_state(plan_, g.part, folder, dcp_optimizer(written, g.part.name), g.torch->groups()), g.part);
      report_.optimizer_moved = true;
    } else {
      const auto grown = g.part.kind == Part::Kind::weights
                             ? Checkpoint::open(folder, {.state_dict = g.part.name})
                             : Checkpoint::of(folder, joined_file(folder, written.tensors(g.part.name)));
      if (g.part.kind == Part::Kind::weights) report_.read_back = read_back(plan_, grown);
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
