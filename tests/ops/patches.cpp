// SPDX-License-Identifier: MIT
// Patches: both orders of features, the inverse, gradients.
#include <modelgrow/ops/patches.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("patchify puts every pixel where its order says, unpatchify brings it back") {
  const Shape clip{2, 3, 4, 6, 8};
  const Patch p{.t = 2, .h = 3, .w = 4};
  const auto x = random_tensor(clip, 1);
  for (const PatchOrder order : {PatchOrder::channels_first, PatchOrder::channels_last}) {
    const auto y = evaluate({x}, [&](auto& tape, const auto& v) { return patchify(tape, v[0], p, order); });
    REQUIRE(y.shape() == Shape{2, 2, 4, 72});
    bool same = true;
    for (std::int64_t i = 0; i < x.size(); ++i) {
      const std::int64_t w = i % 8, h = i / 8 % 6, t = i / 48 % 4, c = i / 192 % 3, b = i / 576;
      const std::int64_t token = (b * 2 + t / 2) * 4 + h / 3 * 2 + w / 4, inside = (t % 2 * 3 + h % 3) * 4 + w % 4;
      const std::int64_t feature = order == PatchOrder::channels_first ? c * 24 + inside : inside * 3 + c;
      same = same && y.data()[token * 72 + feature] == x.data()[i];
    }
    CHECK(same);
    const auto back = evaluate({y}, [&](auto& tape, const auto& v) { return unpatchify(tape, v[0], clip, p, order); });
    CHECK(relative_error(back, x) == 0);
  }
}

TEST_CASE("patchify and unpatchify have each other as gradients") {
  const Shape clip{1, 2, 2, 4, 6};
  const Patch p{.t = 1, .h = 2, .w = 3};
  for (const PatchOrder order : {PatchOrder::channels_first, PatchOrder::channels_last}) {
    check_gradients({random_tensor(clip, 1)},
                    [&](auto& tape, const auto& v) { return patchify(tape, v[0], p, order); });
    check_gradients({random_tensor({1, 2, 4, 12}, 2)},
                    [&](auto& tape, const auto& v) { return unpatchify(tape, v[0], clip, p, order); });
  }
}

TEST_CASE("patches refuse clips that they do not divide") {
  DoubleTape tape;
  const auto clip = tape.constant(random_tensor({1, 2, 2, 4, 5}, 1));
  const auto patches = tape.constant(random_tensor({1, 2, 4, 8}, 1));
  const auto first = PatchOrder::channels_first;
  const auto message = [](auto f) { return message_of<shape_error>(f); };
  CHECK(says(message([&] { patchify(tape, clip, Patch{}, first); }), "[patchify]", "[1, 2, 2, 4, 5]", "[1, 2, 2]"));
  CHECK(says(message([&] { patchify(tape, patches, Patch{}, first); }), "[patchify]", "[1, 2, 4, 8]"));
  CHECK(says(message([&] {
               unpatchify(tape, patches, {1, 2, 2, 4, 6}, Patch{}, first);
             }),
             "[unpatchify]", "[1, 2, 6, 8]"));
}
