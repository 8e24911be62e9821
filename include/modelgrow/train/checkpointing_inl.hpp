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
  const json trainer{{"step", state.step}, {"seed", state.seed}, {"options", parse_json(state.options, "options")}};
  return trainer.dump(2) + "\n";
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

MODELGROW_INLINE RunState read_run_state(const std::filesystem::path& directory) {
  const auto path = directory / "trainer.json";
  const auto json = detail::parse_json(detail::read_file(path), path.string());
  if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer() || json["step"] < 0 ||
      !json.contains("seed") || !json["seed"].is_number_unsigned())
    throw format_error(path.string() + ": expected an object with the whole numbers 'step' and 'seed'");
  return RunState{.step = json["step"].get<std::int64_t>(),
                  .seed = json["seed"].get<std::uint64_t>(),
                  .options = json.value("options", detail::json::object()).dump()};
}

}  // namespace modelgrow::inline v0
