// SPDX-License-Identifier: MIT
// The definitions of folder_growth.hpp about what torch left: optimizers in its files, and distributed checkpoints.
#pragma once
#include <modelgrow/checkpoint/torch_optimizer.hpp>
#include <modelgrow/checkpoint/torch_optimizer_writer.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/detail/carry.hpp>
#include <modelgrow/grow/checkpoint_set.hpp>
#include <modelgrow/grow/folder_growth.hpp>
#include <modelgrow/grow/left_behind.hpp>
#include <modelgrow/grow/read_back.hpp>
#include <modelgrow/grow/stopwatch.hpp>
#include <modelgrow/grow/window_writer.hpp>
#include <modelgrow/grow/write.hpp>

namespace modelgrow::inline v0::detail {

/// How files of torch are written, with the memory that it takes.
MODELGROW_INLINE WriteWindows FolderGrowth::windows() {
  return {.bytes = options_.window_bytes, .progress = [this](const ProgressReport& at) {
            report_.peak_private_bytes = std::max(report_.peak_private_bytes, private_memory());
            if (options_.progress) options_.progress(at);
          }};
}

/// Notes a file of torch that lies in the folder of the model.
MODELGROW_INLINE void FolderGrowth::note(const std::string& file, const WrittenFile& written) {
  checksums_.window_bytes = written.window_bytes;
  checksums_.files[file] = {.bytes = written.bytes, .windows = written.windows};
}

/// All parts of a distributed checkpoint, in one folder.
MODELGROW_INLINE void FolderGrowth::write_distributed(const std::filesystem::path& root) {
  const auto folder = root / below_, fresh = folder / "distributed";
  const auto begin = Clock::now();
  std::filesystem::create_directories(folder);
  const auto source = DcpFolder::open(in_.weights_path().parent_path());
  std::vector<DcpEntry> entries;
  std::size_t tensors = 0;
  const auto add = [&](std::vector<DcpEntry> more) {
    for (const auto& e : more) tensors += e.tensor.has_value();
    entries.insert(entries.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  };
  for (auto& g : parts_) {
    g.first_place = tensors;
    if (g.torch) {
      add(dcp_entries(g.torch->state(), g.part.name, dcp_layout(source, g.part.name)));
      continue;
    }
    g.proven = proven(g, folder);
    std::vector<JoinedTensor> grown;
    for (std::size_t i = 0; i < g.outputs.size(); ++i)
      grown.push_back(g.proven->tensor(i).renamed(g.part.in.prefix().with(g.outputs[i].target.name)));
    add(dcp_entries(grown, g.part.name));
    if (!g.config.empty()) {
      write_file(folder / Checkpoint::config_file, g.config);
      report_.files.emplace_back(Checkpoint::config_file);
    }
  }
  add(dcp_contents(source, in_.state_dict()).others);
  const auto written = write_dcp(fresh, entries, Existing::replace, windows());
  note(dcp_file, written);
  for (const auto& entry : std::filesystem::directory_iterator(fresh)) {
    std::filesystem::rename(entry.path(), folder / entry.path().filename());
    report_.files.push_back(entry.path().filename().string());
  }
  std::filesystem::remove(fresh);
  report_.seconds.write += seconds_since(begin);
  check_distributed(folder, written.tensors);
}

/// Ends the proofs of what was written: that it is read as it was meant.
MODELGROW_INLINE void FolderGrowth::check_distributed(const std::filesystem::path& folder,
                                                      std::span<const std::uint64_t> places) {
  const auto begin = Clock::now();
  const auto written = DcpFolder::open(folder);
  for (auto& g : parts_) {
    const auto own = places.subspan(g.first_place);
    if (g.torch) {
      merge(g.torch->check(folder, dcp_optimizer(written, g.part.name), own), g.part);
      report_.optimizer_moved = true;
    } else {
      const auto tensors = written.tensors(g.part.name);
      std::map<std::string_view, const JoinedTensor*> by_name;
      for (const auto& t : tensors) by_name.emplace(t.name(), &t);
      for (std::size_t i = 0; i < g.outputs.size(); ++i) {
        const auto& target = g.outputs[i].target;
        const auto it = by_name.find(g.part.in.prefix().with(target.name));
        if (it == by_name.end()) throw check_error(folder.string() + ": tensor '" + target.name + "' is missing");
        check_place(*it->second, target, own[i], folder.string());
      }
      const auto grown = g.part.kind == Part::Kind::weights ? Checkpoint::open(folder, {.state_dict = g.part.name})
                                                            : Checkpoint::of(folder, joined_file(folder, tensors));
      if (g.part.kind == Part::Kind::weights) report_.read_back = read_back(plan_, grown);
      merge(g.proven->check(set_of(grown)), g.part);
      g.proven.reset();
    }
    if (g.part.kind != Part::Kind::weights) report_.grown_along.push_back(g.part.name);
  }
  report_.seconds.check += seconds_since(begin);
}

/// State of torch.
MODELGROW_INLINE void FolderGrowth::write_state(const std::filesystem::path& root, Grown& g) {
  const auto path = state_folder(root) / g.part.name;
  const auto begin = Clock::now();
  const auto written = write_torch_optimizer(path, g.torch->state(), Existing::replace, windows());
  report_.seconds.write += seconds_since(begin);
  const auto end = Clock::now();
  merge(g.torch->check(path, read_torch_optimizer(path), written.tensors), g.part);
  report_.seconds.check += seconds_since(end);
  if (state_folder(root) == root / below_) note(g.part.name, written);
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
