// SPDX-License-Identifier: MIT
// Definitions of stdit_json.hpp.
#pragma once
#include <modelgrow/families/legacy_grafts.hpp>
#include <modelgrow/models/config_json.hpp>
#include <modelgrow/models/stdit_json.hpp>

namespace modelgrow::inline v0 {

namespace detail {
/// As diffusers' schedulers call it; no argument of upstream's class, so it is written only where it is another than
/// the usual one.
inline constexpr std::string_view prediction_key = "prediction_type";
inline constexpr std::string_view predictions[]{"flow_prediction", "sample"};
}  // namespace detail

MODELGROW_INLINE std::string config_text(const StditConfig& c) {
  auto j = detail::config_json("STDiT", c);
  if (c.prediction != Prediction{}) j[detail::prediction_key] = detail::predictions[std::size_t(c.prediction)];
  if (!c.grafts.empty()) j[detail::grafts_key] = detail::grafts_to_json(c.grafts);
  return j.dump(2) + "\n";
}

MODELGROW_INLINE void read_config(StditConfig& c, std::string_view text, const std::string& where) {
  const auto j = detail::parse_config(text, where);
  detail::read_keys(j, c, where);
  std::string prediction(detail::predictions[std::size_t(c.prediction)]);
  detail::read_key(j, detail::prediction_key, prediction, where);
  c.prediction = Prediction(detail::index_in(detail::predictions, prediction, where));
  c.grafts = detail::grafts_of(j, where, true);
  try {
    c.validate();
  } catch (const shape_error& e) {
    throw format_error(where + ": " + e.what());
  }
}

}  // namespace modelgrow::inline v0
