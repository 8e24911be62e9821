// SPDX-License-Identifier: MIT
// What the forward check expects of channels that nothing writes yet: zeros, also of their copies.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/families/all.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/operators/zero_channels.hpp>
#include <modelgrow/verify/forward_check.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/releases.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("channels that start at zero are expected to be zero") {
  Release tiny;
  for (const auto& r : releases("minimax_h3"))
    if (r.tiny()) tiny = r;
  const Names names(tiny.tensors, tiny.name);
  const Schema s = family_of(names, tiny.config, tiny.name).schema(names, tiny.config, tiny.name);
  const std::int64_t n = s.space("hidden").space.size;
  const Plan p = plan(s, ZeroChannels{.to = n + 3}, Net2Wider{.space = "hidden", .times = 2});
  const auto from = detail::channel_map(p, n, 2 * (n + 3));
  REQUIRE(std::int64_t(from.size()) == 2 * (n + 3));
  CHECK(std::ranges::count(from, -1) == 6);
  for (std::int64_t i = 0; i < n; ++i) CHECK(std::ranges::count(from, i) == 2);

  Tensor<double, Cpu> old(Shape{2, n}), grown(Shape{2, 2 * (n + 3)});
  for (std::int64_t i = 0; i < old.size(); ++i) old.data()[i] = 1 + double(i);
  for (std::int64_t i = 0; i < grown.size(); ++i) {
    const auto j = from[std::size_t(i % grown.dim(-1))];
    grown.data()[i] = j < 0 ? 0 : old.data()[i / grown.dim(-1) * n + j];
  }
  CHECK(detail::difference(p, "x", grown, "x", old).max_abs == 0);
  const auto silent = std::ranges::find(from, -1) - from.begin();
  grown.data()[silent] = 0.5;
  CHECK(detail::difference(p, "x", grown, "x", old).max_abs == 0.5);
}
