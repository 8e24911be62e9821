// SPDX-License-Identifier: MIT
// What a growth leaves behind in the folder that it reads: one sentence for each file that is not in the grown one, and
// for each torch file of which only the weights are.
#pragma once
#include <set>

#include <modelgrow/checkpoint/folder_weights.hpp>
#include <modelgrow/grow/adapters_beside.hpp>
#include <modelgrow/grow/param_groups.hpp>
#include <modelgrow/grow/parts.hpp>

namespace modelgrow::inline v0 {

/// Notes for the report about optimizer state, variants, adapters and other files that were not grown, and about what
/// stands beside the weights in their own file. `parts` and `adapters` are what was, `unread` says why something was
/// not, and `carried` are files that were copied as they are. Throws io_error when the folder cannot be listed.
inline std::vector<std::string> left_behind(const Checkpoint& in, const std::vector<Part>& parts,
                                            const Unread& unread = {}, const std::set<std::string>& carried = {},
                                            const AdaptersBeside& adapters = {}) {
  std::vector<std::string> notes;
  for (const auto& p : parts) {
    auto beside = p.in.beside_weights();
    const bool averages = std::ranges::any_of(parts, [&](const Part& other) {
      return other.kind == Part::Kind::averages && other.in.weights_path() == p.in.weights_path();
    });
    if (averages) std::erase(beside, detail::averages_key);
    if (!beside.empty())
      notes.push_back("of '" + p.in.weights_path().filename().string() + "' only the weights" +
                      (averages ? " and averages" : "") + " were grown, not " + detail::quoted_list(beside));
  }
  if (std::error_code ignored; !std::filesystem::is_directory(in.path(), ignored)) return notes;
  const auto place = [](const std::filesystem::path& p) { return std::filesystem::absolute(p).lexically_normal(); };
  std::set<std::filesystem::path> used{place(in.path() / Checkpoint::config_file)};
  const auto use = [&](const std::filesystem::path& p) { used.insert(place(p)); };
  for (const auto& p : parts) {
    for (const auto& path : {p.in.weights_path(), p.in.path(), p.in.path() / Checkpoint::config_file}) use(path);
    for (const auto& f : p.in.files()) use(f.path());
  }
  const bool moved = std::ranges::any_of(parts, [](const Part& p) { return p.kind == Part::Kind::optimizer; });
  if (moved) use(in.state_folder() / ParamGroups::file);  // is written anew
  std::vector<std::filesystem::path> folders{in.path()};
  if (is_distributed(in)) {
    for (const auto& below : detail::two_in(in.path())) folders.push_back(in.path() / below);
    for (const auto& folder : folders) {
      use(folder);
      for (const auto& f : list_folder(folder))
        if (f.name.ends_with(".distcp") || f.name == DcpFolder::metadata_file) use(folder / f.name);
    }
  }
  if (is_deepspeed(in)) use(deepspeed_step(in.path()));
  for (const auto& path : adapters.files) use(path);
  std::string hidden;
  const auto name_all = [&](const std::filesystem::path& folder, const std::string& below = {}) {
    for (const auto& f : list_folder(folder)) {
      if (used.contains(place(folder / f.name)) || carried.contains(f.name)) continue;
      std::string what = "not part of the checkpoint";
      switch (f.role) {
        case FileRole::hidden:
          hidden.append(hidden.empty() ? "'" : ", '").append(below + f.name).append("'");
          continue;
        case FileRole::foreign_optimizer:
          what = "optimizer state of another trainer: its moments were not moved";
          break;
        case FileRole::training_state:
          what = "state of another trainer, which goes with its optimizer";
          break;
        case FileRole::adapter:
          what = "an adapter, which is not merged";
          if (const auto why = adapters.unreadable.find(f.name); why != adapters.unreadable.end()) what = why->second;
          break;
        case FileRole::unfinished:
          what = "a download that has not ended";
          break;
        case FileRole::variant:
          what = "variant '" + f.variant + "' of other weights";
          break;
        case FileRole::average:
          what = below.empty() ? "averaged weights that do not have the tensors of the model"
                               : "averages once more, from which their trainer may go on (docs/training-state.md)";
          break;
        case FileRole::weights:
          what = "another set of weights";
          break;
        case FileRole::pickle:
          what = "another torch file, which was not read";
          break;
        case FileRole::shard:
          what = "a shard of other weights";
          break;
        case FileRole::optimizer:
        case FileRole::config:
        case FileRole::other:
          break;
      }
      if (const auto reason = unread.find(f.name); reason != unread.end()) what = reason->second;
      notes.push_back("'" + below + f.name + "' was not grown: " + what);
    }
  };
  for (const auto& folder : folders) name_all(folder);
  for (const auto& p : parts)
    if (p.kind == Part::Kind::averaged_model) name_all(p.in.path(), p.name + "/");
  if (in.state_folder() != in.path()) {
    use(in.path());
    name_all(in.state_folder());
  }
  for (const auto& [name, why] : adapters.unreadable)
    if (name.find('/') != name.npos) notes.push_back("'" + name + "' was not grown: " + why);
  if (!hidden.empty()) notes.push_back("hidden entries were not copied: " + hidden);
  if (!moved) notes.emplace_back("no optimizer state in the folder was moved: training starts with new moments");
  return notes;
}

}  // namespace modelgrow::inline v0
