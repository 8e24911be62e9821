// SPDX-License-Identifier: MIT
// A segment is what a process trains in one go: a model, fresh or that of the segment before, perhaps grown, from one
// step to another. It is all that the process is told, so its checksum names the result: runs that share a beginning
// share its segments, and what is known is never trained again.
#pragma once
#include <cstdint>
#include <string>

#include "settings.hpp"
#include "world.hpp"

namespace growth {

struct Segment {
  /// How it begins: with fresh weights; with those of a folder; as the next step of the parent's run; or as step 0 of a
  /// new run from the parent's weights, averages and moments.
  enum class Begin { fresh, folder, go_on, anew };

  std::string device = "cpu";
  Begin begin = Begin::fresh;
  std::string parent = {};      // key; of `go_on` and `anew`
  Json model = Json::object();  // transformer and text_encoder of `fresh`; the checksum of `folder`
  WorldChoice world = {};
  Json recipe = Json::array();  // growth before the first step
  std::int64_t mask_steps = 0;  // in which its new blocks come in by and by; 0: at once
  Learning learning = {};       // of how it grows
  Adapters adapters = {};
  std::string states = {};  // checksum of those of the language model, for models that read one
  double alone = 0;         // share of captions that only the language model reads
  Training training = {};
  std::int64_t from = 0, to = 0;
  std::int64_t total = 0;                      // steps that the schedule spans
  std::vector<std::int64_t> grown_after = {};  // steps after which the rate warms up again
  double must_read = 0;  // of a parent: rise of the loss, relatively, by exchanged words of each class
  Measuring measuring = {};
  std::uint64_t seed = 0;
  std::string folder = {}, states_file = {};  // where the model of `folder` lies, and the states

  /// The same in the fewest words: a rate that does not depend on what comes after `to` does not mention it, so that a
  /// run and one that grows later, or goes on longer, share their stable part.
  Segment normalised() const;
  /// Checksum of everything that determines the result: not of where files lie.
  std::string key() const;
};

Json to_json(const Segment& s);
/// Throws format_error.
Segment segment_from(const Json& j, const std::string& where);

}  // namespace growth
