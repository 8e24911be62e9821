// SPDX-License-Identifier: MIT
// An experiment that trains in a second.
#pragma once
#include <benchmarks/growth/experiment.hpp>

#include <modelgrow/detail/atomic_file.hpp>

namespace growth::testing {

inline Json tiny_json() {
  return mg::detail::parse_json(R"({
    "name": "tiny", "what": "a test",
    "world": {"name": "digits", "max_digits": 1, "validation": 8},
    "model": {
      "transformer": {"input_size": [2, 16, 16], "patch_size": [1, 8, 8], "hidden_size": 16, "depth": 2, "num_heads": 2},
      "text_encoder": {"width": 16, "depth": 1, "num_heads": 2, "max_length": 48}
    },
    "training": {"batch": 2, "lr": 0.002, "warmup": 3, "ema": 0.5},
    "measuring": {"every": 3, "rounds": 1, "prompts": 2, "sample_steps": 2},
    "budget": {"steps": 12},
    "seeds": [1],
    "against": "scratch",
    "arms": [
      {"name": "scratch"},
      {"name": "half", "model": {"transformer": {"depth": 1}}},
      {"name": "half at 0.5", "model": {"transformer": {"depth": 1}},
        "growth": [{"at": 0.5, "recipe": [{"InsertBlocks": {"every": 1}}]}]},
      {"name": "half at 0.75", "model": {"transformer": {"depth": 1}},
        "growth": [{"at": 0.75, "recipe": [{"InsertBlocks": {"every": 1}}]}]}
    ]})",
                                "tiny");
}

inline Experiment experiment(const Json& j) { return experiment_from(j, MODELGROW_SOURCE_DIR, "tiny"); }

inline Run run_named(const std::vector<Run>& runs, const std::string& arm, std::uint64_t seed = 1) {
  for (const Run& run : runs)
    if (run.arm == arm && run.seed == seed) return run;
  throw mg::error("no run " + arm);
}

}  // namespace growth::testing
