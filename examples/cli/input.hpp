// SPDX-License-Identifier: MIT
// What a command reads: a checkpoint, or a pipeline of which one component or every transformer is meant.
#pragma once
#include <modelgrow/checkpoint/folder_weights.hpp>
#include <modelgrow/checkpoint/pipeline.hpp>

#include "tool.hpp"

namespace tool {

inline constexpr const char* checkpoint_forms = "folder, .safetensors or torch file, or .index.json";

/// The flag for torch files that hold several dictionaries.
inline void add_state_dict(CLI::App& command, std::string& keys) {
  command.add_option("--state-dict", keys, "the keys that lead to the weights in a torch file of several")
      ->type_name("KEY/KEY");
}

/// IN with its flags. Lives as long as its command.
class Input {
 public:
  explicit Input(CLI::App& command, const std::string& name = "IN") {
    command.add_option(name, path_, "folder, pipeline, .safetensors or torch file, .index.json, run of a trainer")
        ->required();
    command.add_option("--weights", options_.weights, "the file or index to read, in a folder that holds several")
        ->type_name("NAME");
    add_state_dict(command, options_.state_dict);
    command.add_option("--family", family_, "a text of your own that says what IN is (modelgrow family draft IN)")
        ->type_name("TEXT");
    command.add_option("--component", options_.component, "one folder of a pipeline; otherwise every transformer")
        ->type_name("NAME");
  }

  const std::string& path() const { return path_; }
  const std::string& component() const { return options_.component; }
  /// The checkpoint; of a pipeline its component, or transformer.
  mg::Checkpoint open(mg::Incomplete incomplete = mg::Incomplete::refuse) const {
    auto options = options_;
    options.incomplete = incomplete;
    return mg::Checkpoint::open(path_, options);
  }
  /// That of --family, or the one that is found.
  mg::Family family(const mg::Checkpoint& in) const { return family_of(in, family_); }
  /// By the family of --family, or the one that is found.
  mg::Schema schema(const mg::Checkpoint& in, mg::Trust trust = mg::Trust::nobody) const {
    return schema_of(in, trust, family_);
  }
  /// Nothing for a checkpoint. Throws option_error where the flags ask for what a pipeline does not have.
  std::optional<mg::Pipeline> pipeline() const {
    auto found = mg::pipeline_at(path_);
    if (found && !options_.weights.empty() && options_.component.empty())
      throw mg::option_error("--weights names a file of one component; give --component, too");
    return found;
  }

 private:
  std::string path_, family_;
  mg::CheckpointOptions options_;
};

/// "missing: 'a', 'b'" for a download that has not ended, a line each; otherwise nothing.
inline std::string missing_text(const mg::Checkpoint& in) {
  if (in.missing_files().empty()) return {};
  return "incomplete: of " + in.weights_path().filename().string() + " there is no " +
         mg::detail::quoted_list(in.missing_files()) + " yet; `grow` needs them\n";
}

/// Throws plan_error where OUT is taken, and not to be replaced.
inline void check_free(const std::string& in, const std::string& out, bool replace) {
  std::error_code failed;
  if (replace || !std::filesystem::exists(std::filesystem::symlink_status(out, failed))) return;
  const bool same = std::filesystem::equivalent(in, out, failed);
  throw mg::plan_error("'" + out + "' " + (same ? "is what is read" : "exists") +
                       "; write elsewhere, or say --replace, which replaces it once the new one is complete");
}

}  // namespace tool
