// SPDX-License-Identifier: MIT
// A folder of components with a model_index.json, as diffusers saves a whole pipeline: the transformers that grow, and
// the rest that goes with them.
#pragma once
#include <optional>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/checkpoint/folder_weights.hpp>
#include <modelgrow/detail/json.hpp>

namespace modelgrow::inline v0 {

/// The entries of a pipeline by name.
struct Pipeline {
  std::filesystem::path path;
  std::vector<std::string> models;  ///< "transformer", and others such as "transformer_2": experts, averages
  std::vector<std::string> others;  ///< all else, model_index.json included
  std::vector<std::string> hidden;  ///< entries that begin with a dot
};

/// The pipeline in a folder; nothing where there is no model_index.json. Throws io_error when no component is a
/// transformer.
inline std::optional<Pipeline> pipeline_at(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path / Checkpoint::pipeline_file, ignored)) return std::nullopt;
  Pipeline p{.path = path, .models = {}, .others = {}, .hidden = {}};
  std::vector<std::string> folders;
  for (const auto& f : list_folder(path)) {
    const bool folder = std::filesystem::is_directory(path / f.name, ignored);
    if (folder) folders.push_back(f.name);
    const bool model = folder && (f.name == "transformer" || f.name.starts_with("transformer_"));
    (f.role == FileRole::hidden ? p.hidden : model ? p.models : p.others).push_back(f.name);
  }
  if (p.models.empty())
    throw io_error("the pipeline '" + path.string() +
                   "' has no transformer, which is what could grow; its folders: " + detail::quoted_list(folders));
  return p;
}

}  // namespace modelgrow::inline v0
