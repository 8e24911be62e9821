// SPDX-License-Identifier: MIT
// Segments as JSON, and their keys.
#include "segment.hpp"

#include <algorithm>
#include <iterator>

#include <modelgrow/detail/json_members.hpp>

#include "content.hpp"

namespace growth {

namespace {
constexpr std::string_view begins[] = {"fresh", "folder", "go_on", "anew"};
/// Raise it when the same words mean another run.
constexpr int revision = 1;
}  // namespace

Segment Segment::normalised() const {
  Segment s = *this;
  Training& t = s.training;
  std::erase_if(s.grown_after, [&](std::int64_t step) { return t.rewarm == RewarmOf::none || step >= s.to; });
  if (t.schedule == Course::stable_decay && s.to <= t.rates(s.total, {}).stable_until()) t.schedule = Course::constant;
  if (s.grown_after.empty()) t.rewarm = RewarmOf::none;
  const Training standard;
  if (t.rewarm == RewarmOf::none) t.rewarm_steps = standard.rewarm_steps;
  if (t.schedule != Course::stable_decay) t.decay = standard.decay, t.decay_share = standard.decay_share;
  if (t.schedule == Course::constant) s.total = 0, t.floor = standard.floor;
  if (s.learning.steps == 0) s.learning = {};
  return s;
}

Json to_json(const Segment& s) {
  Json j{{"revision", revision},
         {"device", s.device},
         {"begin", begins[std::size_t(s.begin)]},
         {"parent", s.parent},
         {"model", s.model},
         {"world", s.world.is},
         {"recipe", s.recipe},
         {"mask_steps", s.mask_steps},
         {"adapters", complete(s.adapters)},
         {"states", s.states},
         {"training", complete(s.training)},
         {"from", s.from},
         {"to", s.to},
         {"total", s.total},
         {"grown_after", s.grown_after},
         {"must_read", s.must_read},
         {"measuring", complete(s.measuring)},
         {"seed", s.seed},
         {"where", {{"world", s.world.where}, {"folder", s.folder}, {"states", s.states_file}}}};
  if (s.learning.steps > 0) j["learning"] = complete(s.learning);  // segments without are older than it
  if (s.alone > 0) j["alone"] = s.alone;
  return j;
}

std::string Segment::key() const {
  Json j = to_json(normalised());
  j.erase("where");
  return checksum_of(j.dump());
}

Segment segment_from(const Json& j, const std::string& where) {
  try {
    if (j.at("revision") != revision)
      throw mg::format_error(where + ": was written by another version; remove its folder");
    Segment s{.device = j.at("device"), .parent = j.at("parent"), .model = j.at("model"), .recipe = j.at("recipe")};
    s.begin = Segment::Begin(std::ranges::find(begins, j.at("begin").get<std::string>()) - std::begin(begins));
    s.world = {j.at("world"), j.at("where").at("world")};
    s.training = mg::detail::fields_from_json<Training>(j.at("training"), where + ": training");
    s.adapters = mg::detail::fields_from_json<Adapters>(j.at("adapters"), where + ": adapters");
    s.measuring = mg::detail::fields_from_json<Measuring>(j.at("measuring"), where + ": measuring");
    if (j.contains("learning"))
      s.learning = mg::detail::fields_from_json<Learning>(j.at("learning"), where + ": learning");
    s.alone = j.value("alone", 0.0);
    j.at("from").get_to(s.from);
    j.at("to").get_to(s.to);
    j.at("total").get_to(s.total);
    j.at("mask_steps").get_to(s.mask_steps);
    j.at("states").get_to(s.states);
    j.at("where").at("states").get_to(s.states_file);
    j.at("grown_after").get_to(s.grown_after);
    j.at("must_read").get_to(s.must_read);
    j.at("seed").get_to(s.seed);
    j.at("where").at("folder").get_to(s.folder);
    return s;
  } catch (const Json::exception& e) {
    throw mg::format_error(where + ": " + e.what() + "; it was written by another version: remove its folder");
  }
}

}  // namespace growth
