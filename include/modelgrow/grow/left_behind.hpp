// SPDX-License-Identifier: MIT
// What a growth leaves behind in the folder that it reads: one sentence for each file that is not in the grown one.
#pragma once
#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/checkpoint/folder.hpp>

namespace modelgrow::inline v0 {

/// Notes for the report about optimizer state, variants, adapters and other files that were not grown; empty for a
/// checkpoint that is a single file. Throws io_error when the folder cannot be listed.
inline std::vector<std::string> left_behind(const Checkpoint& in) {
  std::vector<std::string> notes;
  if (std::error_code ignored; !std::filesystem::is_directory(in.path(), ignored)) return notes;
  const auto used = [&](const std::string& name) {
    const auto path = in.path() / name;
    return path == in.weights_path() || name == Checkpoint::optimizer_file || name == Checkpoint::ema_file ||
           name == Checkpoint::config_file ||
           std::ranges::any_of(in.files(), [&](const Safetensors& f) { return f.path() == path; });
  };
  for (const auto& f : list_folder(in.path())) {
    if (used(f.name)) continue;
    const std::string what = f.role == FileRole::foreign_optimizer
                                 ? "optimizer state of another trainer: its moments were not moved"
                             : f.role == FileRole::adapter ? "an adapter, which is not merged"
                             : f.role == FileRole::variant ? "variant '" + f.variant + "' of the weights"
                             : f.role == FileRole::average ? "averaged weights in a folder of their own"
                             : f.role == FileRole::weights ? "another set of weights"
                             : f.role == FileRole::shard   ? "a shard of other weights"
                                                           : "not part of the checkpoint";
    notes.push_back("'" + f.name + "' was not grown: " + what);
  }
  if (!in.has_optimizer())
    notes.emplace_back("no optimizer state in the folder was moved: training starts with new moments");
  return notes;
}

}  // namespace modelgrow::inline v0
