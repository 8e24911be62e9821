// SPDX-License-Identifier: MIT
// Counted operations against counts by hand.
#include <modelgrow/autograd/recompute.hpp>
#include <modelgrow/train/flops.hpp>

#include "tests/support/catch.hpp"
#include "tests/train/tiny_model.hpp"

namespace mg = modelgrow;
using Count = mg::FlopCounter;
using Model = tiny::Mlp<float, Count>;

TEST_CASE("linear layers cost 2 operations a weight forward and 4 backward, less where no input gradient is wanted") {
  Model model({.width = 6, .hidden = 10});
  const auto loss = [&](auto& tape) { return tiny::loss<float, Count>(model, tape, 0); };  // 8 rows
  const double weights = 2 * 6 * 10, rows = 8;
  CHECK(mg::inference_flops(loss) == 2 * weights * rows);
  CHECK(mg::training_flops(loss) == 6 * weights * rows - 2 * 60 * rows);  // the first layer's input is data
  model.weight2.state = mg::Parameter<float, Count>::State::frozen;
  CHECK(mg::training_flops(loss) == 6 * weights * rows - 2 * 60 * rows - 2 * 60 * rows);
}

TEST_CASE("recomputed activations are counted") {
  Model model({.width = 6, .hidden = 10});
  const auto plain = [&](auto& tape) {
    const auto x = tape.leaf(mg::Tensor<float, Count>(mg::Shape{8, 6}));
    return model(tape, x);
  };
  const auto again = [&](auto& tape) {
    const auto x = tape.leaf(mg::Tensor<float, Count>(mg::Shape{8, 6}));
    return mg::recompute(tape, std::vector{x}, [&](const auto& v) { return model(tape, v[0]); });
  };
  CHECK(mg::training_flops(again) == mg::training_flops(plain) + mg::inference_flops(plain));
}
