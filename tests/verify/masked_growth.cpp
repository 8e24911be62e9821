// SPDX-License-Identifier: MIT
// Masked growth of STDiT: blocks of any start keep the function while their mask is zero, are whole when it is one, and
// have the right gradients between.
#include <modelgrow/grow/live.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/models/stdit.hpp>
#include <modelgrow/train/mask_anneal.hpp>

#include "tests/models/stdit_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"
#include "tests/support/squares.hpp"

using namespace test;
using mg::Cpu;
using modelgrow::testing::message_of;
using modelgrow::testing::says;

namespace {

using Model = mg::Stdit<double, Cpu>;

/// A model that was grown by these blocks, which are masked with that weight.
Model masked(const Model& small, mg::BlockStart start, double weight) {
  Model model = small;
  const auto plan = mg::plan(small, mg::allow_approximate, mg::InsertBlocks{.every = 1, .start = start, .seed = 3});
  mg::grow(plan, model);
  model.mask = {.blocks = mg::new_blocks(plan, "blocks"), .weight = weight};
  return model;
}
Model random_model() {
  Model model(tiny_config());
  randomise(model, 5, 0.15);
  return model;
}
bool same(const mg::Tensor<double, Cpu>& a, const mg::Tensor<double, Cpu>& b) {
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

}  // namespace

TEST_CASE("masked blocks let the stream through, and are whole at the end", "[mask]") {
  const Inputs<double> in(tiny_config());
  Model small = random_model();
  const auto before = run(small, in);
  for (const auto start : {mg::BlockStart::plain, mg::BlockStart::opened, mg::BlockStart::random}) {
    Model closed = masked(small, start, 0), half = masked(small, start, 0.5), whole = masked(small, start, 1);
    Model none = whole;
    none.mask = {};
    CHECK(closed.mask.blocks == std::vector<std::int64_t>{1, 3});
    CHECK(same(run(closed, in), before));
    CHECK(same(run(whole, in), run(none, in)));
    CHECK(relative_difference(run(whole, in), before) > 1e-3);
    CHECK(relative_difference(run(half, in), before) > 1e-4);
    CHECK(relative_difference(run(half, in), run(whole, in)) > 1e-4);
    // Nothing reaches new blocks at weight zero, and something does from the first weight on.
    for (auto* m : {&closed, &half}) {
      mg::Tape<double, Cpu> tape;
      tape.backward(mg::mse(tape, m->forward(tape, tape.constant(in.x), in.t, in.text(tape)),
                            random_tensor<double>({2, 3, 4, 8, 8}, 99)));
      const auto& g = at(*m, "blocks.1.mlp.fc2.weight").gradient;
      CHECK((mg::testing::sum_of_squares(g) > 0) == (m == &half));
    }
  }
}

TEST_CASE("a model with masked blocks has the gradients of its function", "[mask]") {
  const auto activations = GENERATE(mg::Activations::keep, mg::Activations::recompute);
  const Inputs<double> in(tiny_config());
  Model model = masked(random_model(), mg::BlockStart::random, 0.3);
  randomise(model, 8, 0.15);
  model.activations = activations;
  const auto target = random_tensor<double>({2, 3, 4, 8, 8}, 99);
  modelgrow::testing::check_parameter_gradients(model, [&](auto& tape) {
    return mg::mse(tape, model.forward(tape, tape.constant(in.x), in.t, in.text(tape)), target);
  });
}

TEST_CASE("the mask is annealed, and goes along where blocks keep their numbers", "[mask]") {
  const mg::MaskAnneal anneal{.steps = 4};
  CHECK(anneal(0) == 0);
  CHECK(anneal(-3) == 0);
  CHECK(anneal(1) == 0.25);
  CHECK(anneal(4) == 1);
  CHECK(anneal(99) == 1);
  Model model = masked(random_model(), mg::BlockStart::random, 0.5);
  mg::grow(mg::plan(model, mg::Net2Wider{.space = "ffn", .to = 70}), model);
  CHECK(model.mask.weight == 0.5);
  CHECK(model.mask.masks(3));
  const auto deeper = mg::plan(model, mg::InsertBlocks{.count = 1});
  CHECK(says(message_of<mg::plan_error>([&] { mg::grow(deeper, model); }), "still masked with weight 0.5"));
  model.mask.weight = 1;
  mg::grow(deeper, model);
  CHECK(model.blocks.size() == 5);
}
