// SPDX-License-Identifier: MIT
// Runs of the small network by any optimizer, whose state goes to a file's names and shapes and back.
#pragma once
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/optimizers/all.hpp>
#include <modelgrow/grow/optimizers/step_factors.hpp>
#include <set>

#include "mlp.hpp"
#include "plain_optimizers.hpp"
#include "tests/support/catch.hpp"

namespace run {
using namespace modelgrow;
using plain::Numbers;
using tiny::State;

/// One row of the proof.
struct Case {
  std::string what;
  Optimizer optimizer;
  std::function<std::unique_ptr<plain::Group>()> make;
  double wider = 1e-12;  // how far losses may be off, of the largest
  double rate = 0.01;
  std::int64_t rank = 0;  // of parameters; 0: all. The others are trained by AdamW
};
template <class G>
std::function<std::unique_ptr<plain::Group>()> maker(std::function<void(G&)> set = {}) {
  return [set] {
    auto g = std::make_unique<G>();
    if (set) set(*g);
    return g;
  };
}
inline std::unique_ptr<plain::Adam> our_adamw() {
  auto g = std::make_unique<plain::Adam>();
  g->decoupled = true;
  g->first = "m";
  g->second = "v";
  return g;
}
inline std::vector<Case> cases() {
  using plain::Adam;
  using plain::Muon;
  return {
      {.what = "AdamW", .optimizer = Optimizer::adamw, .make = our_adamw},
      {.what = "Adam", .optimizer = Optimizer::adam, .make = maker<Adam>()},
      {.what = "Adam, amsgrad", .optimizer = Optimizer::adam, .make = maker<Adam>([](Adam& a) { a.amsgrad = true; })},
      {.what = "NAdam", .optimizer = Optimizer::nadam, .make = maker<plain::NAdam>()},
      {.what = "RAdam", .optimizer = Optimizer::radam, .make = maker<plain::RAdam>()},
      {.what = "Adamax", .optimizer = Optimizer::adamax, .make = maker<plain::Adamax>()},
      {.what = "RMSprop", .optimizer = Optimizer::rmsprop, .make = maker<plain::RMSprop>(), .rate = 1e-3},
      {.what = "Adagrad", .optimizer = Optimizer::adagrad, .make = maker<plain::Adagrad>()},
      {.what = "Adadelta", .optimizer = Optimizer::adadelta, .make = maker<plain::Adadelta>(), .wider = 5e-3},
      {.what = "Lion", .optimizer = Optimizer::lion, .make = maker<plain::Lion>(), .rate = 1e-3},
      {.what = "SGD", .optimizer = Optimizer::sgd, .make = maker<plain::Sgd>()},
      {.what = "Adafactor", .optimizer = Optimizer::adafactor, .make = maker<plain::Adafactor>()},
      {.what = "CAME", .optimizer = Optimizer::came, .make = maker<plain::Came>(), .rate = 1e-3},
      {.what = "Muon, original, in double", .optimizer = Optimizer::muon, .make = maker<Muon>(), .rank = 2},
      {.what = "Muon, match_rms_adamw, in double",
       .optimizer = Optimizer::muon_rms,
       .make = maker<Muon>([](Muon& m) { m.match_rms = true; }),
       .rank = 2},
      {.what = "Muon in bf16",
       .optimizer = Optimizer::muon,
       .make = maker<Muon>([](Muon& m) { m.in_bf16 = true; }),
       .wider = 5e-3,
       .rank = 2},
      {.what = "ScheduleFree", .optimizer = Optimizer::schedule_free, .make = maker<plain::ScheduleFree>()},
      {.what = "Prodigy", .optimizer = Optimizer::prodigy, .make = maker<plain::Prodigy>(), .wider = 0.7, .rate = 1}};
}

/// A model in training: each parameter by the optimizer of the case, or by AdamW.
struct Run {
  Schema schema;
  State<double> w;
  std::map<std::string, std::map<std::string, Numbers>> state;
  std::map<std::string, StepFactors> factors;
  plain::AnyGroup own, adamw;
  std::int64_t rank = 0;
  Optimizer optimizer;
  std::set<std::string> at_rest = {};

  Run(const Case& c, Schema s)
      : schema(std::move(s)), own(c.make()), adamw(our_adamw()), rank(c.rank), optimizer(c.optimizer) {
    own->s.rate = c.rate;
  }
  Optimizer of(const Shape& shape) const { return rank == 0 || shape.rank() == rank ? optimizer : Optimizer::adamw; }

  /// The losses before each of these steps.
  Numbers train(int from, int to) {
    Numbers losses;
    for (int step = from; step < to; ++step) {
      auto found = mlp::evaluate(w, step);
      losses.push_back(found.loss);
      std::vector<plain::Slot> mine, others;
      for (const auto& p : schema.parameters) {
        if (at_rest.contains(p.name)) continue;
        const Shape shape = p.shape();
        auto& values = w[p.name];
        const auto& f = factors[p.name];
        const std::size_t columns = values.size() / std::size_t(shape[0]);
        const auto spread = [&](const Factor& factor) {
          Numbers all;
          for (std::size_t i = 0; i < values.size(); ++i) all.push_back(factor.at(i / columns, i % columns));
          return all;
        };
        (of(shape) == optimizer ? mine : others)
            .push_back(plain::Slot{.shape = shape,
                                   .w = values,
                                   .g = found.gradient[p.name],
                                   .state = state[p.name],
                                   .rate = spread(f.rate),
                                   .epsilon = spread(f.epsilon),
                                   .decay = spread(f.decay)});
      }
      own->step(mine);
      adamw->step(others);
    }
    return losses;
  }

  StateDict save() const {
    StateDict d;
    for (const auto& p : schema.parameters)
      if (const auto it = state.find(p.name); it != state.end())
        for (const auto& [entry, values] : it->second) {
          const auto* e = find_entry(rule_of(of(p.shape())), entry);
          REQUIRE(e);
          const Shape shape = state_shape(e->form, p.shape());
          REQUIRE(numel(shape) == std::int64_t(values.size()));
          const auto bytes = std::as_bytes(std::span(values));
          d[state_name(of(p.shape()), entry, p.name)] =
              HostTensor{.dtype = DType::f64, .shape = shape, .bytes = {bytes.begin(), bytes.end()}};
        }
    return d;
  }
  void load(const StateDict& d) {
    state.clear();
    factors.clear();
    for (const auto& [name, t] : d) {
      const auto parsed = parse_state_name(name);
      REQUIRE(parsed);
      const auto values = tiny::numbers(t);
      if (!is_factor(parsed->entry)) {
        state[parsed->parameter][parsed->entry] = values;
        continue;
      }
      Factor f{.rows = {}, .columns = {}};
      if (parsed->optimizer == Optimizer::adamw) {
        f = parsed->entry == "lr" ? Factor{.columns = values} : Factor{.rows = values};
      } else {
        const auto width = std::size_t(t.shape[1]);
        for (std::size_t i = 0; i < values.size(); i += width) f.rows.push_back(values[i]);
        for (std::size_t j = 0; j < width; ++j) f.columns.push_back(values[j] / values[0]);
      }
      auto& all = factors[parsed->parameter];
      (parsed->entry == "lr" ? all.rate : parsed->entry == "eps" ? all.epsilon : all.decay) = f;
      if (parsed->optimizer == Optimizer::adamw && parsed->entry == "lr")
        for (double& x : (all.decay = f).columns) x = 1 / x;
    }
  }
  /// The run after the growth, with its own state; what is new rests.
  Run grown(const Plan& p, const StateDict& grown_state) const {
    Run next = *this;
    next.schema = p.schema();
    next.w = tiny::from_dict(grow_weights(p, tiny::to_dict<double>(p.source(), w)));
    next.load(grown_state);
    for (const auto& r : p.recipes())
      if (r.fresh) next.at_rest.insert(r.name);
    return next;
  }
};

/// The largest difference of losses, of the largest loss.
inline double apart(const Numbers& a, const Numbers& b) {
  double most = 0, scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::abs(a[i] - b[i]));
    scale = std::max(scale, std::abs(a[i]));
  }
  return most / scale;
}

/// A run of `steps` steps, its state, and the losses of the steps after them where nothing grows.
struct Trained {
  static constexpr int steps = 20, more = 20;
  Run run;
  StateDict state;
  Numbers losses;
  explicit Trained(const Case& c) : run(c, mlp::schema()) {
    run.w = tiny::random_state(run.schema);
    run.train(0, steps);
    state = run.save();
    losses = Run(run).train(steps, steps + more);
  }
  /// How far the losses of the grown run are off, its state being `moved`, after `change` was made to it.
  template <class F>
  double off(const Plan& p, const StateDict& moved, F&& change) const {
    Run grown = run.grown(p, moved);
    change(grown);
    return apart(losses, grown.train(steps, steps + more));
  }
  double off(const Plan& p, const StateDict& moved) const {
    return off(p, moved, [](Run&) {});
  }
};

}  // namespace run
