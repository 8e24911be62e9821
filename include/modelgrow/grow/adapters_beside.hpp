// SPDX-License-Identifier: MIT
// The adapters that grow with a checkpoint: those that lie beside its weights, and those that somebody names.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include <modelgrow/checkpoint/adapter.hpp>
#include <modelgrow/checkpoint/folder.hpp>

namespace modelgrow::inline v0 {

/// An adapter, and the folder that it goes to, below the grown one.
struct AdapterPart {
  std::filesystem::path folder;
  Adapter adapter;
};

/// Adapters in the folder of a checkpoint.
struct AdaptersBeside {
  /// The folder for adapters that have names of their own.
  static constexpr std::string_view own_folder = "adapters";

  std::vector<AdapterPart> parts = {};
  std::map<std::string, std::string> unreadable = {};  // why, by the name in the folder
  std::set<std::filesystem::path> files = {};          // what belongs to those that can be read
};

/// adapter_model.safetensors, pytorch_lora_weights.safetensors and what lies in adapters/. What is no plain LoRA is
/// listed with the reason. Throws io_error where the folder cannot be listed.
inline AdaptersBeside adapters_beside(const Checkpoint& in) {
  AdaptersBeside found;
  std::error_code ignored;
  if (!std::filesystem::is_directory(in.path(), ignored)) return found;
  const auto add = [&](const std::filesystem::path& path, const std::filesystem::path& folder,
                       const std::string& name) {
    try {
      found.parts.push_back(AdapterPart{.folder = folder, .adapter = Adapter::open(path)});
      const auto& file = found.parts.back().adapter.path();
      found.files.insert({path, file, file.parent_path() / Adapter::config_file});
    } catch (const format_error& e) {
      found.unreadable.emplace(name, e.what());
    }
  };
  for (const auto& f : list_folder(in.path())) {
    const auto path = in.path() / f.name;
    if (f.role == FileRole::adapter && f.name != Adapter::config_file) add(path, "", f.name);
    if (f.name != AdaptersBeside::own_folder || !std::filesystem::is_directory(path, ignored)) continue;
    found.files.insert(path);
    for (const auto& inner : list_folder(path)) {
      const bool folder = std::filesystem::is_directory(path / inner.name, ignored);
      const auto place = std::filesystem::path(f.name) / (folder ? inner.name : "");
      if (folder || inner.name.ends_with(".safetensors") || inner.role == FileRole::pickle)
        add(path / inner.name, place, f.name + "/" + inner.name);
    }
  }
  return found;
}

/// An adapter that somebody names: a file goes to adapters/, a folder to one of its name there. Throws what
/// Adapter::open throws.
inline AdapterPart named_adapter(const std::filesystem::path& path) {
  AdapterPart part{.folder = AdaptersBeside::own_folder, .adapter = Adapter::open(path)};
  if (part.adapter.alpha_place() == AlphaPlace::config || part.adapter.path() != path)
    part.folder /= std::filesystem::absolute(part.adapter.path()).lexically_normal().parent_path().filename();
  return part;
}

}  // namespace modelgrow::inline v0
