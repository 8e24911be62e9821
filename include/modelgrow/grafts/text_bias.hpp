// SPDX-License-Identifier: MIT
// The logit bias of a second text beside the first (JointText), which a schedule raises: LogitAnneal.
#pragma once
#include <cmath>
#include <limits>
#include <string>

#include <modelgrow/core/error.hpp>
#include <modelgrow/nn/initialise.hpp>

namespace modelgrow::inline v0 {

/// Whether a model has a weight that a schedule of the trainer moves.
bool takes_schedule(const auto& model) {
  bool found = false;
  for_each_parameter(model, [&](const std::string&, const auto& p) { found |= p.info.purpose == Purpose::scheduled; });
  return found;
}

/// Raises the logit bias of a second text whose tokens stand beside those of the first (LogitAnneal). Throws
/// shape_error when there is none, and for what is no number below infinity.
void set_text_bias(auto& model, double bias) {
  if (!(bias < std::numeric_limits<double>::infinity()))
    throw shape_error("the logit bias of a second text is " + std::to_string(bias) +
                      "; expected a number, or minus infinity: LogitAnneal gives those between");
  if (!takes_schedule(model))
    throw shape_error(
        "no second text enters by concatenation, so there is no logit bias to set; graft one with "
        "Graft<grafts::JointText>");
  for_each_parameter(model, [&](const std::string&, auto& p) {
    if (p.info.purpose == Purpose::scheduled) assign(p.value, {std::exp(bias)});
  });
}

}  // namespace modelgrow::inline v0
