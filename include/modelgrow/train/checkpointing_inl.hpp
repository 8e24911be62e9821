// SPDX-License-Identifier: MIT
// Definitions of checkpointing.hpp.
#pragma once
#include <modelgrow/detail/json.hpp>
#include <modelgrow/train/checkpointing.hpp>

namespace modelgrow::inline v0 {

namespace detail {
MODELGROW_INLINE void make_directory(const std::filesystem::path& path) {
  std::error_code code;
  std::filesystem::create_directories(path, code);
  if (code) throw_io("create the directory", path, code.value());
}

MODELGROW_INLINE std::string run_state_text(const RunState& state) {
  const json trainer{{"step", state.step},
                     {"seed", state.seed},
                     {"history", state.history},
                     {"options", parse_json(state.options, "options")}};
  return trainer.dump(2) + "\n";
}

MODELGROW_INLINE std::string mark_of(const RunState& state) {
  return state.history == 0 ? std::string() : std::to_string(state.history);
}

MODELGROW_INLINE void OneSave::see(const std::filesystem::path& file, const std::string& mark) {
  if (mark_.empty()) {
    first_ = file;
    mark_ = mark;
  } else if (!mark.empty() && mark != mark_) {
    throw format_error(file.string() + ": it has the mark " + mark + ", " + first_.filename().string() + " " + mark_ +
                       ": they are of different steps or runs; restore the files of one save");
  }
}

MODELGROW_INLINE void OneSave::see(const Checkpoint& checkpoint) {
  const auto mark = checkpoint.metadata().find(std::string(Checkpoint::save_mark));
  if (mark != checkpoint.metadata().end()) see(checkpoint.weights_path(), mark->second);
}

MODELGROW_INLINE void require_same_config(const std::string& saved, const std::string& here,
                                          const std::filesystem::path& file) {
  const json found = parse_json(saved, file.string()), expected = parse_json(here, "the model");
  std::string differences;
  const auto compare = [&](const std::string& key) {
    const auto value = [&](const json& j) { return j.contains(key) ? j[key].dump() : "absent"; };
    if (value(found) != value(expected))
      differences += (differences.empty() ? "'" : "; '") + key + "' is " + value(found) + " there and " +
                     value(expected) + " in this model";
  };
  for (const auto& [key, value] : expected.items()) compare(key);
  for (const auto& [key, value] : found.items())
    if (!expected.contains(key)) compare(key);
  if (!differences.empty())
    throw format_error(file.string() + ": the run is one of another model: " + differences +
                       ". Make the model as config.json says, or start a new run in another directory");
}
}  // namespace detail

MODELGROW_INLINE std::uint64_t history_in(const std::filesystem::path& directory) {
  std::error_code gone;
  return std::filesystem::exists(directory / detail::run_file, gone) ? read_run_state(directory).history : 0;
}

MODELGROW_INLINE RunState read_run_state(const std::filesystem::path& directory) {
  const auto path = directory / detail::run_file;
  const auto json = detail::parse_json(detail::read_file(path), path.string());
  if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer() || json["step"] < 0 ||
      !json.contains("seed") || !json["seed"].is_number_unsigned() ||
      (json.contains("history") && !json["history"].is_number_unsigned()))
    throw format_error(path.string() + ": expected an object with the whole numbers 'step', 'seed' and 'history'");
  return RunState{.step = json["step"].get<std::int64_t>(),
                  .seed = json["seed"].get<std::uint64_t>(),
                  .history = json.value("history", std::uint64_t{0}),
                  .options = json.value("options", detail::json::object()).dump()};
}

}  // namespace modelgrow::inline v0
