// SPDX-License-Identifier: MIT
// The proofs once more, for a grown folder that lies somewhere: its plan.json is replayed on the source, and every file
// is read back and compared.
#pragma once
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/grow/checkpoint_set.hpp>
#include <modelgrow/grow/completeness.hpp>
#include <modelgrow/grow/file_check.hpp>
#include <modelgrow/grow/plan_json.hpp>
#include <modelgrow/grow/read_back.hpp>
#include <modelgrow/grow/write.hpp>

namespace modelgrow::inline v0 {

/// What was found about a grown folder.
struct GrownCheck {
  Certificate certificate, trajectory;
  bool read_back = false;
  FileCheck weights = {}, averages = {}, optimizer = {};
};

/// Where the source of a grown checkpoint lay when it was grown; empty for one that was not grown by this library.
inline std::filesystem::path source_of(const Checkpoint& grown) {
  const auto it = grown.metadata().find("modelgrow");
  if (it == grown.metadata().end()) return {};
  const auto j = detail::parse_json(it->second, grown.path().string() + ": metadata 'modelgrow'");
  return j.is_object() && j.contains("source") && j["source"].is_string() ? j["source"].get<std::string>() : "";
}

/// Replays plan.json of `grown` on its source and compares. Throws check_error that names the first difference,
/// plan_error where the plan does not fit the source, io_error where there is no plan.json.
inline GrownCheck check_grown(const Checkpoint& grown, const Checkpoint& source, Schema schema_of_source) {
  const auto text = detail::read_file(grown.path() / "plan.json");
  const Plan plan = plan_from_json(text, std::move(schema_of_source));
  GrownCheck found{.certificate = plan.certificate(), .trajectory = plan.trajectory()};
  found.read_back = read_back(plan, grown);
  found.weights = check_weights(plan, detail::set_of(source), detail::set_of(grown));
  const auto both = [&](bool before, bool after, std::string_view file) {
    if (before != after)
      throw check_error(grown.path().string() + ": " + std::string(file) + " is " + (after ? "" : "not ") +
                        "in the grown folder, but " + (before ? "" : "not ") + "in its source");
    return before;
  };
  if (both(source.has_ema(), grown.has_ema(), Checkpoint::ema_file)) {
    const auto old = source.ema(), now = grown.ema();
    found.averages = check_weights(plan, detail::set_of(old), detail::set_of(now));
  }
  if (both(source.has_optimizer(), grown.has_optimizer(), Checkpoint::optimizer_file)) {
    const auto old = source.optimizer(), now = grown.optimizer();
    found.optimizer = check_optimizer(plan, detail::set_of(old), detail::set_of(now));
  }
  return found;
}

}  // namespace modelgrow::inline v0
