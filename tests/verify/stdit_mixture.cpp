// SPDX-License-Identifier: MIT
// STDiT with mixtures of experts: the function is kept to rounding, on disk and live; it trains, its experts part, the
// balancing loss evens them out; and it costs what its active experts cost.
#include <modelgrow/families/all.hpp>
#include <modelgrow/grow/live.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/mixture_of_experts.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/plan_json.hpp>
#include <modelgrow/grow/write.hpp>
#include <modelgrow/models/stdit.hpp>
#include <modelgrow/train/adamw.hpp>
#include <modelgrow/train/ema.hpp>
#include <modelgrow/train/flops.hpp>
#include <modelgrow/verify/forward_check.hpp>

#include "tests/models/stdit_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/gradient_check.hpp"
#include "tests/support/message.hpp"
#include "tests/support/scratch.hpp"

using namespace test;
using mg::Cpu;
using mg::MixtureOfExperts;
using modelgrow::testing::message_of;
using modelgrow::testing::says;

namespace {

template <class T>
mg::Stdit<T, Cpu> random_model(const mg::StditConfig& config = tiny_config()) {
  mg::Stdit<T, Cpu> model(config);
  randomise(model, 5, 0.15);
  return model;
}
template <class T>
auto runner(const Inputs<T>& in) {
  return [&in](mg::Tape<T, Cpu>& tape, mg::Stdit<T, Cpu>& model) {
    return model.forward(tape, tape.constant(in.x), in.t, in.text(tape));
  };
}
/// One gradient of the model on fixed inputs; returns the loss.
template <class T>
double backward(mg::Stdit<T, Cpu>& model, const Inputs<T>& in) {
  static const auto target = random_tensor<T>({2, 3, 4, 8, 8}, 99);
  mg::Tape<T, Cpu> tape;
  const auto loss = mg::mse(tape, runner(in)(tape, model), target);
  tape.backward(loss);
  return double(loss.data()[0]);
}
template <class T>
double largest_gradient(const mg::Parameter<T, Cpu>& p) {
  double most = 0;
  for (std::int64_t i = 0; p.gradient.defined() && i < p.gradient.size(); ++i)
    most = std::max(most, std::abs(double(p.gradient.data()[i])));
  return most;
}
/// The share of choices that falls on the most wanted expert of block 0, whose router reads these rows.
std::size_t most_wanted(mg::Stdit<double, Cpu>& model, const mg::Tensor<double, Cpu>& rows) {
  mg::Tape<double, Cpu> tape(mg::Tape<double, Cpu>::Mode::infer);
  auto& sparse = *model.blocks[0].mlp.sparse;
  const auto routing = mg::route(tape, mg::linear(tape, tape.constant(rows), tape.use(sparse.router)), sparse.active);
  std::size_t most = 0;
  for (const auto& list : *routing.experts) most = std::max(most, list.size());
  return most;
}

}  // namespace

TEMPLATE_TEST_CASE("mixtures of experts keep the function", "[mixture]", double, float) {
  const auto before = random_model<TestType>();
  const auto s = mg::schema(before);
  for (const mg::Plan& plan :
       {mg::plan(s, MixtureOfExperts{.experts = 4, .active = 2}),
        mg::plan(s, MixtureOfExperts{.experts = 3, .active = 3}),
        mg::plan(s, MixtureOfExperts{.experts = 2, .active = 1}, mg::InsertBlocks{.every = 1},
                 mg::Net2Wider{.space = "ffn", .to = 97, .noise_db = 20}, mg::Net2Wider{.space = "hidden", .to = 48}),
        mg::plan(s, mg::Net2Wider{.space = "ffn", .to = 97}, MixtureOfExperts{.experts = 5, .active = 3})}) {
    CHECK(plan.certificate().exactness == mg::Exactness::exact);
    auto old = before, after = before;
    const mg::Report report = mg::grow(plan, after);
    CHECK(report.max_residual == 0);
    CHECK(after.config.grafts == plan.schema().grafts);
    REQUIRE(after.blocks[0].mlp.sparse);
    // A router that is sure of itself as well.
    for (const double loud : {1.0, 30.0}) {
      mg::for_each_parameter(after, [&](const std::string& path, auto& p) {
        if (path.ends_with("router.weight"))
          for (auto& v : p.value.span()) v *= TestType(loud);
      });
      const Inputs<TestType> in(tiny_config());
      const auto found = mg::forward_check<TestType, Cpu>(plan, old, after, runner(in));
      INFO(found);
      CHECK(found.passed());
    }
  }
}

TEST_CASE("a router whose weights do not add up to one would be caught", "[mixture]") {
  auto old = random_model<double>(), after = old;
  const mg::Plan plan = mg::plan(mg::schema(old), MixtureOfExperts{.experts = 4});
  mg::grow(plan, after);
  at(after, "blocks.1.mlp.experts.2.fc2.bias").value.data()[0] += 0.01;
  const Inputs<double> in(tiny_config());
  const auto found = mg::forward_check<double, Cpu>(plan, old, after, runner(in));
  REQUIRE_FALSE(found.passed());
  CHECK(found.first_divergence()->name == "blocks.1.mlp");
}

TEST_CASE("a grown folder opens as the live model, and grows on", "[mixture]") {
  const modelgrow::testing::Scratch scratch;
  const auto before = random_model<float>();
  std::filesystem::create_directories(scratch / "base");
  mg::save(scratch / "base/model.safetensors", before);
  mg::detail::write_file(scratch / "base/config.json", mg::config_text(before.config));
  const auto in = mg::Checkpoint::open(scratch / "base");
  const mg::Schema read = mg::family_of(in.names(), in.config(), "base").schema(in);
  const mg::Plan plan = mg::plan(read, MixtureOfExperts{.experts = 4, .seed = 3});
  CHECK(says(message_of<mg::plan_error>([&] { plan.write(in, scratch / "no"); }), "MixtureOfExperts"));
  const mg::Plan allowed = mg::plan(read, mg::accept_upstream, MixtureOfExperts{.experts = 4, .seed = 3});
  const mg::Report report = allowed.write(in, scratch / "grown");
  CHECK(report.read_back);
  CHECK(report.max_residual == 0);
  CHECK(says(report.upstream_cannot, "the class has no 'MixtureOfExperts'"));

  const auto out = mg::Checkpoint::open(scratch / "grown");
  mg::StditConfig config;
  mg::read_config(config, out.config(), "grown");
  mg::Stdit<float, Cpu> loaded(config);
  mg::load(loaded, out);
  auto live = before;
  mg::grow(mg::plan(mg::schema(before), MixtureOfExperts{.experts = 4, .seed = 3}), live);
  const Inputs<float> inputs(config);
  CHECK(relative_difference(run(loaded, inputs), run(live, inputs)) == 0);
  CHECK(relative_difference(run(loaded, inputs), run(const_cast<mg::Stdit<float, Cpu>&>(before), inputs)) <= 1e-5);

  const mg::Schema again = mg::family_of(out.names(), out.config(), "grown").schema(out);
  const mg::Plan more = mg::plan(again, mg::InsertBlocks{.every = 1}, mg::Net2Wider{.space = "ffn", .to = 80});
  CHECK(more.write(out, scratch / "more").read_back);
}

TEST_CASE("growth in the middle of training goes on, experts part and the router learns", "[mixture]") {
  auto model = random_model<double>();
  const Inputs<double> in(model.config);
  mg::AdamW<double, Cpu> optimizer(model, mg::AdamWOptions{});
  mg::Ema<double, Cpu> ema(model, optimizer, mg::EmaOptions{});
  for (int step = 0; step < 3; ++step) {
    backward(model, in);
    optimizer.step(model, 1e-3);
    ema.update(model, optimizer);
  }
  const double before = backward(model, in);
  mg::for_each_parameter(model, [](const std::string&, auto& p) { p.gradient = {}; });
  mg::grow(mg::plan(mg::schema(model), MixtureOfExperts{.experts = 4}), model, optimizer, ema);
  const double after = backward(model, in);
  CHECK_THAT(after, WithinAbs(before, 1e-12 * before));
  CHECK(largest_gradient(at(model, "blocks.0.mlp.router.weight")) <= 1e-15);
  CHECK(largest_gradient(at(model, "blocks.0.mlp.experts.3.fc1.weight")) > 1e-6);
  for (int step = 0; step < 20; ++step) {
    optimizer.step(model, 1e-3);
    ema.update(model, optimizer);
    backward(model, in);
  }
  CHECK(largest_gradient(at(model, "blocks.0.mlp.router.weight")) > 1e-8);
  const auto &a = at(model, "blocks.0.mlp.experts.0.fc1.weight").value,
             &b = at(model, "blocks.0.mlp.experts.1.fc1.weight").value;
  CHECK(relative_difference(a, b) > 1e-3);
  CHECK(backward(model, in) < 0.99 * before);
}

TEST_CASE("the balancing loss evens experts out, with activations kept or recomputed", "[mixture]") {
  const auto config = mg::with_grafts(tiny_config(), MixtureOfExperts{.experts = 4, .active = 1});
  const auto rows = random_tensor<double>({400, 24}, 3);
  for (const auto activations : {mg::Activations::keep, mg::Activations::recompute}) {
    auto model = random_model<double>(config);
    model.activations = activations;
    auto& router = at(model, "blocks.0.mlp.router.weight");
    const Inputs<double> in(config);
    backward(model, in);
    CHECK(largest_gradient(router) <= 1e-15);  // its only weight is one
    model.balance = 0.5;
    router.gradient.zero();
    backward(model, in);
    const double once = largest_gradient(router);
    CHECK(once > 1e-6);
    model.balance = 1;
    router.gradient.zero();
    backward(model, in);
    CHECK_THAT(largest_gradient(router), WithinRel(2 * once, 1e-12));
  }
  // Descending it alone.
  auto model = random_model<double>(config);
  auto& router = at(model, "blocks.0.mlp.router.weight");
  for (std::int64_t i = 0; i < 24; ++i) router.value.data()[i] += 0.1;
  const auto shifted = [&] {
    auto x = rows.clone();
    for (double& v : x.span()) v += 0.3;
    return x;
  }();
  const auto before = most_wanted(model, shifted);
  for (int step = 0; step < 200; ++step) {
    mg::Tape<double, Cpu> tape;
    const auto logits = mg::linear(tape, tape.constant(shifted), tape.use(router));
    router.gradient.zero();
    tape.backward(mg::balance_loss(tape, logits, mg::route(tape, logits, 1)));
    mg::Backend<Cpu>::axpy(router.value.size(), -0.1, router.gradient.data(), router.value.data());
  }
  INFO(before << " of 400, then " << most_wanted(model, shifted));
  CHECK(most_wanted(model, shifted) < 130);
  CHECK(before > 200);
}

TEST_CASE("gradients of a mixture agree with finite differences where no choice changes", "[mixture]") {
  const mg::Space hidden{.name = "hidden", .size = 6}, ffn{.name = "ffn", .size = 5};
  mg::SparseMlp<double, Cpu> mixture(4, 2, hidden, ffn, hidden);
  randomise(mixture, 1, 0.7);
  const auto x = random_tensor<double>({3, 4, 6}, 2), target = random_tensor<double>({3, 4, 6}, 3);
  mg::Tape<double, Cpu> tape(mg::Tape<double, Cpu>::Mode::infer);
  const auto logits = mg::linear(tape, tape.constant(x), tape.use(mixture.router));
  for (int r = 0; r < 12; ++r) {
    std::vector<double> row(logits.data() + 4 * r, logits.data() + 4 * r + 4);
    std::sort(row.begin(), row.end());
    REQUIRE(row[2] - row[1] > 0.05);
  }
  mg::testing::check_parameter_gradients(
      mixture, [&](mg::Tape<double, Cpu>& tape) { return mg::mse(tape, mixture(tape, tape.constant(x)), target); });
}

TEST_CASE("a mixture costs what its active experts cost", "[mixture]") {
  const auto flops = [](const mg::StditConfig& config) {
    mg::Stdit<float, mg::FlopCounter> model(config);
    using Counted = mg::Tensor<float, mg::FlopCounter>;
    return mg::training_flops([&](auto& tape) {
      const mg::TextStates<float, mg::FlopCounter> text{tape.constant(Counted(mg::Shape{2, 5, 10})), {}, {}};
      return model.forward(tape, tape.constant(Counted(mg::Shape{2, 3, 4, 8, 8})), Counted(mg::Shape{2}), text);
    });
  };
  const auto base = tiny_config();
  const double dense = flops(base), rows = 2 * 4 * 16, ffn = 60, hidden = 24, step = 3 * 2;
  const double one = step * rows * base.depth * 2 * hidden * ffn;  // both matrices of the perceptrons
  for (const std::int64_t active : {1, 2, 4}) {
    const double router = step * rows * base.depth * hidden * 4;
    CHECK_THAT(flops(mg::with_grafts(base, MixtureOfExperts{.experts = 4, .active = active})),
               WithinRel(dense + double(active - 1) * one + router, 1e-12));
  }
}

TEST_CASE("records of mixtures that cannot be are refused", "[mixture]") {
  auto config = mg::with_grafts(tiny_config(), MixtureOfExperts{.experts = 4});
  const auto with = [&](const std::string& options) {
    config.grafts[0].options = options;
    return message_of<mg::error>([&] { mg::Stdit<float, mg::Meta> model(config); });
  };
  CHECK(says(with(R"({"experts":1,"active":1})"), "1 experts", "2 to 4096"));
  CHECK(says(with(R"({"experts":4,"active":5})"), "5 of 4 experts"));
  CHECK(says(with(R"({"experts":4,"actve":2})"), "actve", "active"));
}
