// SPDX-License-Identifier: MIT
// plan.json: a plan that is read writes a plan that reads the same, and knows how every tensor of the grown model is
// made.
#include <tests/fuzz/support/grown.hpp>
#include <tests/fuzz/support/small_model.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {
/// A map of any checksum, as wide as is asked.
AffineMap any_map(const std::string&, std::int64_t from, std::int64_t to) {
  if (from < 0 || from > 64 || to < 0 || to > 64) throw format_error("a map that wide is not there");
  return {.from = from,
          .to = to,
          .weight = std::vector<double>(std::size_t(from * to), 0.5),
          .bias = std::vector<double>(std::size_t(to))};
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return read_or_refuse(
      data, size, [](std::string_view text) { check_plan(plan_from_json(text, small_model(), any_map), any_map); });
}
