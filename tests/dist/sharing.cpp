// SPDX-License-Identifier: MIT
// What ranks send and what each of them holds: gradients go while others are computed, as many bytes as the schedule of
// the buckets says, and of sharded state a rank has its part.
#include <modelgrow/autograd/recompute.hpp>
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/dist/single.hpp>
#include <modelgrow/train/distributed.hpp>

#include <chrono>
#include <thread>

#include "tests/dist/support/ranks.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/same_bits.hpp"
#include "tests/train/tiny_model.hpp"

namespace mg = modelgrow;
using mg::testing::message_of;
using mg::testing::ranks;
using mg::testing::same_bits;
using mg::testing::says;
using Model = tiny::Pair<float, mg::Cpu>;
using Trainer = mg::Trainer<Model, float, mg::Cpu>;
using State = mg::DistributedOptions::State;
using Tape = mg::Tape<float, mg::Cpu>;

namespace {

mg::TrainerOptions some_options(std::int64_t steps) {
  return {.steps = steps,
          .micro_batches = ranks().size(),
          .schedule = {.peak = 0.01},
          .adamw = {.clip_norm = 1.0},
          .ema = mg::EmaOptions{}};
}
void train(Trainer& trainer, Model& model) {
  trainer.run([&](auto& tape, std::int64_t i) { return tiny::loss(model, tape, i); });
}
template <class M>
std::vector<mg::MatrixSize> sizes_of(M& model) {
  std::vector<mg::MatrixSize> sizes;
  mg::for_each_parameter(model, [&](const std::string&, const auto& p) {
    if (p.trained()) sizes.push_back(mg::matrix_size(p.value.shape()));
  });
  return sizes;
}

/// Two matrices, of which a loss may leave out one.
struct Gated {
  mg::Parameter<float, mg::Cpu> always{mg::ParamInfo{.axes = {mg::out(4), mg::in(4)}}},
      late{mg::ParamInfo{.axes = {mg::out(4), mg::in(4)}}};
  Gated() {
    for (auto* p : {&always, &late}) p->value = mg::gaussian_noise<float>(mg::Shape{4, 4}, mg::Rng(3));
  }
  static void describe(auto& self, auto& v) {
    v("always", self.always);
    v("late", self.late);
  }
};

}  // namespace

TEST_CASE("gradients are sent while the backward pass goes on") {
  Model model;
  mg::GradientBuckets<float, mg::Cpu> gradients;
  gradients.pack(model, 16'000'000, ranks().size());
  mg::GradientExchange<mg::Mpi, float, mg::Cpu> exchange(ranks(), gradients, mg::Sums::fast);
  Tape tape;
  const std::int64_t before = ranks().traffic().calls;
  std::vector<std::int64_t> sent;  // operations begun when a gradient was finished, those of the last layer first
  tape.finished = [&](const float* gradient) {
    exchange.finished(tape, gradient);
    sent.push_back(ranks().traffic().calls - before);
  };
  const auto loss = tiny::loss(model, tape, ranks().rank());
  exchange.begin(tape, {});
  tape.backward(loss);
  CHECK(sent.size() == 8);
  CHECK(sent.front() < std::int64_t(gradients.buckets().size()) / 2);
  CHECK(sent[3] > sent.front());  // the second model is on its way before the first has begun
  exchange.end({});
  exchange.finish();
  CHECK(ranks().traffic().calls - before == std::int64_t(gradients.buckets().size()));
}

TEST_CASE("a step sends what the schedule of its buckets says") {
  const int n = ranks().size(), r = ranks().rank();
  for (const State state : {State::whole, State::sharded}) {
    Model model;
    Trainer trainer(model, some_options(3));
    mg::distribute(trainer, ranks(), {.state = state});
    std::vector<mg::Traffic> after;
    trainer.every(1, [&](const auto&) { after.push_back(ranks().traffic()); });
    train(trainer, model);
    const auto sizes = sizes_of(model);
    std::int64_t total = 0;
    for (const auto& s : sizes) total += s.rows * s.columns;
    mg::Traffic expected = after[1];
    for (const mg::Bucket& b : mg::pack_buckets(sizes, total / 8, n)) {
      expected += mg::Traffic::of_reduce_scatter(b.cuts, r, 4);
      expected += mg::Traffic::of_all_gather(b.cuts, r, 4);
    }
    expected += mg::Traffic::of_all_reduce(3 * n, n, r, 8);  // losses, seconds and counters of steps
    expected += mg::Traffic::of_all_reduce(1, n, r, 8);      // the norm
    CHECK(after[2] == expected);
  }
}

TEST_CASE("of sharded state every rank holds its part, and together they hold all of it") {
  const int n = ranks().size();
  Model model;
  Trainer trainer(model, some_options(2));
  mg::distribute(trainer, ranks(), {.state = State::sharded});
  train(trainer, model);
  double elements = 0, largest_bucket = 0;
  for (const auto& s : sizes_of(model)) elements += double(s.rows * s.columns);
  for (const mg::Bucket& b : mg::pack_buckets(sizes_of(model), std::int64_t(elements) / 8, n))
    largest_bucket = std::max(largest_bucket, double(b.size));
  double held = 0, averaged = 0;
  for (const auto& [path, s] : trainer.optimizer().states()) {
    held += double(s.m.size());
    CHECK(s.v.shape() == s.m.shape());
  }
  for (const auto& [path, a] : trainer.ema()->averages())
    if (path.find("table") == std::string::npos) averaged += double(a.size());
  CHECK(held <= elements / n + largest_bucket);
  CHECK(held < elements);
  CHECK(averaged == held);
  std::vector<double> all{held};
  mg::sum_over<mg::Cpu>(ranks(), all);
  CHECK(all[0] == elements);
  CHECK(trainer.whole_ema()->averages().size() == 10);
  CHECK(trainer.whole_optimizer().states().size() == 8);
}

TEST_CASE("multipliers and counters of a growth are cut and put together with their rows") {
  for (const State state : {State::whole, State::sharded}) {
    const auto grown = [&](bool together) {
      Model model;
      auto options = some_options(3);
      Trainer trainer(model, options);
      std::int64_t columns = 0;
      mg::for_each_parameter(model, [&](const std::string& path, const auto& p) {
        if (!p.trained()) return;
        auto& s = trainer.optimizer().states()[path];
        s.m = s.v = {};
        s.m = mg::Tensor<float, mg::Cpu>::zeros(p.value.shape());
        s.v = mg::Tensor<float, mg::Cpu>::zeros(p.value.shape());
        s.step = path.starts_with("first") ? 5 : 9;  // the first is younger
        columns = mg::matrix_size(p.value.shape()).columns;
        std::vector<double> lr, eps;
        for (std::int64_t c = 0; c < columns; ++c) lr.push_back(1.0 + 0.1 * double(c));
        for (std::int64_t r = 0; r < p.value.dim(0); ++r) eps.push_back(2.0 + double(r));
        s.set_multipliers(lr, eps);
        s.anneal = 7;
      });
      if (together) mg::distribute(trainer, ranks(), {.state = state, .sums = mg::Sums::ordered});
      mg::Single one;
      if (!together) mg::distribute(trainer, one, {.sums = mg::Sums::ordered});
      train(trainer, model);
      return std::pair(std::move(model), trainer.whole_optimizer());
    };
    auto [alone, its_state] = grown(false);
    auto [model, our_state] = grown(true);
    for (auto& [path, s] : its_state.states()) {
      const auto& o = our_state.states().at(path);
      CHECK(same_bits(o.m, s.m));
      CHECK(same_bits(o.v, s.v));
      CHECK(o.step == s.step);
      CHECK(o.anneal == s.anneal);
      CHECK(o.lr() == s.lr());
      CHECK(o.eps() == s.eps());
    }
    mg::for_each_parameter(model, [&](const std::string& path, const auto& p) {
      mg::for_each_parameter(alone, [&](const std::string& other, const auto& q) {
        if (path == other) CHECK(same_bits(p.value, q.value));
      });
    });
  }
}

TEST_CASE("what is frozen is not sent, and what is thawed is cut anew") {
  for (const State state : {State::whole, State::sharded}) {
    const auto run = [&](bool together) {
      Model model;
      mg::freeze(model, "second.*");
      Trainer trainer(model, some_options(6));
      mg::Single one;
      if (together) mg::distribute(trainer, ranks(), {.state = state, .sums = mg::Sums::ordered});
      if (!together) mg::distribute(trainer, one, {.sums = mg::Sums::ordered});
      trainer.at(2, [&](const auto&) { mg::unfreeze(model, "second.weight*"); });
      trainer.at(4, [&](const auto&) { mg::freeze(model, "first.*"); });
      train(trainer, model);
      std::vector<mg::Tensor<float, mg::Cpu>> all;
      const auto ema = trainer.whole_ema();
      mg::for_each_parameter(model, [&](const std::string& path, const auto& p) {
        all.push_back(p.value);
        all.push_back(ema->averages().at(path));
      });
      const auto optimizer = trainer.whole_optimizer();
      for (const auto& [path, s] : optimizer.states()) all.push_back(s.m);
      return all;
    };
    CHECK(same_bits(run(true), run(false)));
  }
}

TEST_CASE("a parameter that no loss of any rank has used takes no step") {
  // Micro-batch 2 n and later ones of rank 1 only use the second.
  const auto run = [](auto& group, State state) {
    Gated model;
    const std::int64_t n = ranks().size();
    mg::Trainer<Gated, float, mg::Cpu> trainer(
        model, {.steps = 4, .micro_batches = n, .schedule = {.peak = 0.1}, .adamw = {.weight_decay = 0.5}});
    mg::distribute(trainer, group, {.state = state, .sums = mg::Sums::ordered});
    std::vector<mg::Tensor<float, mg::Cpu>> late;
    trainer.every(1, [&](const auto&) { late.push_back(model.late.value.clone()); });
    trainer.run([&](Tape& tape, std::int64_t i) {
      const auto x = mg::gaussian_noise<float>(mg::Shape{3, 4}, mg::Rng(7), std::uint64_t(12 * i));
      auto y = linear(tape, tape.constant(x), tape.use(model.always));
      if (i >= 2 * n && i % n == 1) y = linear(tape, y, tape.use(model.late));
      return mse(tape, y, x);
    });
    return late;
  };
  mg::Single one;
  for (const State state : {State::whole, State::sharded}) {
    const auto late = run(ranks(), state);
    CHECK(same_bits(late[1], late[0]));  // no decay either
    CHECK_FALSE(same_bits(late[2], late[1]));
    CHECK(same_bits(late, run(one, State::whole)));
  }
}

TEST_CASE("ranks that came with another model or other weights say so before they compute") {
  const auto attempt = [](const tiny::MlpConfig& config, auto change) {
    Model model(config);
    change(model);
    Trainer trainer(model, some_options(1));
    mg::distribute(trainer, ranks());
    return message_of<mg::communication_error>([&] { train(trainer, model); });
  };
  const int last = ranks().size() - 1;
  const std::string whose = " of rank " + std::to_string(last) + " differ from those of rank 0";
  CHECK(says(attempt({.hidden = ranks().rank() == last ? 11 : 10}, [](Model&) {}),
             "the names, shapes or order of the parameters" + whose, "start every rank with the same"));
  CHECK(says(attempt({}, [&](Model& m) { m.first.table.value.data()[3] += ranks().rank() == last ? 1.0f : 0.0f; }),
             "the weights" + whose));
  CHECK(attempt({}, [](Model&) {}).empty());
}

TEST_CASE("the report names the rank that computed longest") {
  Model model;
  Trainer trainer(model, some_options(1));
  mg::distribute(trainer, ranks());
  const int late = ranks().size() - 1;
  std::vector<mg::StepReport> reports;
  trainer.every(1, [&](const mg::StepReport& r) { reports.push_back(r); });
  trainer.run([&](auto& tape, std::int64_t i) {
    if (ranks().rank() == late) std::this_thread::sleep_for(std::chrono::milliseconds(500));
    return tiny::loss(model, tape, i);
  });
  for (const auto& r : reports) {
    CHECK(r.slowest == late);
    CHECK(r.seconds >= r.waited);
    CHECK((r.waited > 0.1) == (ranks().rank() != late));
  }
}
