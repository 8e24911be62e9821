// SPDX-License-Identifier: MIT
// Live models grow like files: model, optimizer and averages together, whatever their device type, all or nothing.
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <thread>

#include <modelgrow/grow/live.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>

#include "tests/support/catch.hpp"
#include "tiny.hpp"

using namespace modelgrow;

namespace {

/// The tiny model as parameters on a device, described like any other.
template <class T, class D = Cpu>
struct Live {
  static constexpr std::string_view family = "tiny";
  tiny::Config config;
  int setting = 0;  // something that is no size
  std::vector<std::pair<std::string, Parameter<T, D>>> all;

  explicit Live(const tiny::Config& c) : config(c) {
    for (const auto& p : tiny::schema(c).parameters) all.emplace_back(p.name, Parameter<T, D>(p.info));
  }
  static void describe(auto& self, auto& v) {
    const auto s = tiny::schema(self.config);
    for (const auto& space : s.spaces) v.space(space.space, space.rules);
    for (auto& [name, p] : self.all) v(name, p);
  }
  Parameter<T, D>& at(std::string_view name) {
    for (auto& [n, p] : all)
      if (n == name) return p;
    throw error("no parameter");
  }
};
/// Sizes from the schema; what is no size from the old model.
template <class T, class D>
Live<T, D> rebuild(const Live<T, D>& old, const Schema& s) {
  const Names n = names_of(s);
  tiny::Config c = old.config;
  c.hidden = n.dim("final.table", 1);
  c.heads = n.dim("blocks.0.attn.qkv.bias", 0) / (3 * c.head_dim);
  c.ffn = n.dim("blocks.0.mlp.fc1.bias", 0);
  c.depth = n.blocks("blocks");
  c.conv = n.contains("blocks.0.conv.weight");
  Live<T, D> m(c);
  m.setting = old.setting;
  return m;
}
/// A model of a family whose configuration cannot say how wide ffn is.
struct Rigid : Live<double> {
  using Live<double>::Live;
};
Rigid rebuild(const Rigid& old, const Schema&) { return Rigid(old.config); }

template <class T, class D = Cpu>
struct LiveOptimizer {
  struct State {
    Tensor<T, D> m, v;
    Tensor<float, D> master;
    std::int64_t step = 0;
    std::vector<double> lr_{1.0}, eps_{1.0};
    void set_multipliers(std::vector<double> lr, std::vector<double> eps) {
      lr_ = std::move(lr), eps_ = std::move(eps);
    }
    const std::vector<double>& lr() const { return lr_; }
    const std::vector<double>& eps() const { return eps_; }
  };
  std::map<std::string, State, std::less<>> states_;
  auto& states() { return states_; }
  const auto& states() const { return states_; }
};
template <class T, class D = Cpu>
struct Averages {
  std::map<std::string, Tensor<T, D>, std::less<>> averages_;
  auto& averages() { return averages_; }
  const auto& averages() const { return averages_; }
};

/// Host memory that pretends to be another device.
struct Elsewhere : Cpu {};
/// The same, and counts what threads give it, as a GPU has a queue for each.
struct WithQueues : Cpu {
  static inline thread_local bool own = false;
  static inline std::atomic<int> by_owner = 0, by_others = 0;
  static void from_host(void* to, const void* from, std::size_t bytes) {
    ++(own ? by_owner : by_others);
    Cpu::from_host(to, from, bytes);
  }
};

template <class T, class D>
Schema live_schema(const Live<T, D>& m) {
  Schema s = schema(m);
  s.stacks = tiny::schema(m.config).stacks;  // the list of parameters is flat, so nobody reports the stack
  return s;
}

template <class T, class D>
Tensor<T, D> tensor_of(const Shape& shape, const std::vector<double>& values) {
  Tensor<T, D> t(shape);
  for (std::size_t i = 0; i < values.size(); ++i) t.data()[i] = T(values[i]);
  return t;
}
template <class T, class D>
StateDict dict_of(const Live<T, D>& m) {
  StateDict d;
  for (const auto& [n, p] : m.all) {
    const auto* b = reinterpret_cast<const std::byte*>(p.value.data());
    d[n] = HostTensor{.dtype = dtype_of<T>, .shape = p.value.shape(), .bytes = {b, b + p.value.bytes()}};
  }
  return d;
}

/// A model with random weights, state and averages, all prefixed as in a pipeline.
template <class T, class D>
struct Run {
  tiny::Config config;
  Live<T, D> model{config};
  LiveOptimizer<T, D> optimizer;
  Averages<T, D> ema;
  std::string prefix;

  explicit Run(std::string p, tiny::Config c = {}) : config(c), prefix(std::move(p)) {
    const auto w = tiny::random_state(tiny::schema(config));
    model.setting = 42;
    for (auto& [n, parameter] : model.all) {
      parameter.value = tensor_of<T, D>(parameter.value.shape(), w.at(n));
      ema.averages_[prefix + n] = parameter.value.clone();
      if (parameter.info.purpose == Purpose::buffer) continue;
      auto& s = optimizer.states_[prefix + n];
      s.m = tensor_of<T, D>(parameter.value.shape(), w.at(n));
      auto squares = w.at(n);
      for (auto& x : squares) x *= x;
      s.v = tensor_of<T, D>(parameter.value.shape(), squares);
      s.step = 17;
    }
  }
};

}  // namespace

TEMPLATE_TEST_CASE("model, optimizer and averages grow together", "", Cpu, Elsewhere) {
  using D = TestType;
  const std::string prefix = GENERATE("", "transformer.");
  Run<float, D> run(prefix);
  run.optimizer.states_["text_encoder.w"].step = 3;  // another model of the pipeline
  run.ema.averages_["text_encoder.w"] = Tensor<float, D>::zeros({2});
  run.model.at("final.table").state = Parameter<float, D>::State::frozen;
  run.model.at("blocks.1.mlp.fc1.weight").gradient = run.model.at("blocks.1.mlp.fc1.weight").value.clone();
  const auto before = dict_of(run.model);
  const auto gradient = before.at("blocks.1.mlp.fc1.weight");
  const Schema s = live_schema(run.model);
  const Plan p = plan(s, InsertBlocks{.every = 1}, Net2Wider{.space = "ffn", .to = 7, .splits = Splits::dyadic},
                      tiny::AddConv{}, Net2Wider{.space = "hidden", .to = 12, .noise_db = 20});
  const Report report = grow(p, run.model, GrowOptions{.prefix = prefix}, run.ema, run.optimizer);

  const auto expected = grow_weights(p, before);
  CHECK(dict_of(run.model) == expected);
  CHECK(run.model.setting == 42);
  CHECK(run.model.at("final.table").state == Parameter<float, D>::State::frozen);
  CHECK(run.model.at("t_block.bias").state == Parameter<float, D>::State::trained);
  CHECK(report.max_residual == 0);
  CHECK(report.parameters_after == p.schema().trained_elements());
  CHECK(report.bytes_after > report.bytes_before);
  for (const auto& [n, t] : expected)
    CHECK(std::memcmp(run.ema.averages_.at(prefix + n).data(), t.bytes.data(), t.bytes.size()) == 0);
  const auto& old_block = run.optimizer.states_.at(prefix + "blocks.2.mlp.fc2.weight");
  CHECK(old_block.step == 17);
  CHECK(old_block.m.shape() == Shape{12, 7});
  CHECK(old_block.lr().size() == 7);
  CHECK(run.optimizer.states_.at(prefix + "blocks.2.mlp.fc1.weight").eps().size() == 7);
  const auto& new_block = run.optimizer.states_.at(prefix + "blocks.1.mlp.fc2.weight");
  CHECK(new_block.step == 0);
  for (std::int64_t i = 0; i < new_block.m.size(); ++i) CHECK(new_block.m.data()[i] == 0);
  CHECK(run.optimizer.states_.contains(prefix + "blocks.1.conv.bias"));
  CHECK(run.optimizer.states_.at("text_encoder.w").step == 3);
  CHECK(run.ema.averages_.contains("text_encoder.w"));
  CHECK(run.optimizer.states_.size() == run.model.all.size() - 1 + 1);  // the buffer has no state, the encoder has

  // A gradient that had been accumulated moves by the transposed rule.
  const auto& g = run.model.at("blocks.2.mlp.fc1.weight").gradient;
  REQUIRE(g.shape() == Shape{7, 12});
  double sum = 0, old_sum = 0;
  for (std::int64_t i = 0; i < 7; ++i) sum += g.data()[i * 12];
  for (std::size_t i = 0; i < 5; ++i) old_sum += tiny::numbers(gradient)[i * 6];
  CHECK_THAT(sum, WithinAbs(old_sum, 1e-5));
  CHECK_FALSE(run.model.at("t_block.bias").gradient.defined());
}

TEST_CASE("the thread that grows a model gives its device all values, whichever threads make them") {
  Run<float, WithQueues> run("");
  const Plan p = plan(live_schema(run.model), Net2Wider{.space = "ffn", .to = 7});
  WithQueues::own = true;
  const GrowOptions options{.progress = [](const ProgressReport&) {  // time for all threads to make some
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }};
  grow(p, run.model, options, run.ema, run.optimizer);
  CHECK(std::size_t(WithQueues::by_owner) >= run.model.all.size());
  CHECK(WithQueues::by_others == 0);
}

TEST_CASE("16-bit models bring their master weights") {
  Run<bf16, Cpu> run("");
  for (auto& [n, s] : run.optimizer.states_) {
    s.master = Tensor<float, Cpu>(s.m.shape());
    for (std::int64_t i = 0; i < s.m.size(); ++i) s.master.data()[i] = float(s.m.data()[i]) + 1e-4f;
  }
  const auto old = run.optimizer.states_.at("blocks.0.mlp.fc2.weight").master;
  const Plan p =
      plan(live_schema(run.model), InsertBlocks{.at = {1}}, Net2Wider{.space = "ffn", .to = 10, .map = UnitMap::tiled});
  grow(p, run.model, run.optimizer);
  const auto& master = run.optimizer.states_.at("blocks.0.mlp.fc2.weight").master;
  REQUIRE(master.shape() == Shape{6, 10});
  for (std::int64_t i = 0; i < 6; ++i)
    for (std::int64_t j = 0; j < 10; ++j) CHECK(master.data()[i * 10 + j] == old.data()[i * 5 + j % 5] / 2);
  for (float x : run.optimizer.states_.at("blocks.1.mlp.fc2.weight").master.span()) CHECK(x == 0);
}

TEST_CASE("a failure changes nothing") {
  Run<double, Cpu> run("");
  const auto before = dict_of(run.model);
  const Plan p = plan(live_schema(run.model), InsertBlocks{.every = 1}, Net2Wider{.space = "ffn", .to = 7});
  const auto unchanged = [&] {
    CHECK(dict_of(run.model) == before);
    CHECK(run.optimizer.states_.at("blocks.1.mlp.fc1.weight").m.shape() == Shape{5, 6});
    CHECK(run.ema.averages_.at("blocks.1.mlp.fc1.weight").shape() == Shape{5, 6});
    CHECK(run.model.config.depth == 2);
  };
  SECTION("stopped by the user, at any time") {
    std::int64_t reports = 0;
    Run<double, Cpu> other("");
    grow(p, other.model, GrowOptions{.progress = [&](const ProgressReport&) { ++reports; }}, other.optimizer,
         other.ema);
    for (std::int64_t stop = 1; stop <= reports; stop += 29) {
      std::int64_t seen = 0;
      const GrowOptions options{.progress = [&](const ProgressReport&) {
        if (++seen == stop) throw error("stop");
      }};
      CHECK_THROWS_AS(grow(p, run.model, options, run.optimizer, run.ema), error);
    }
    unchanged();
  }
  SECTION("state that does not fit") {
    run.optimizer.states_.at("blocks.1.mlp.fc1.weight").v = Tensor<double, Cpu>::zeros({5, 5});
    CHECK_THROWS_AS(grow(p, run.model, run.optimizer, run.ema), format_error);
    unchanged();
  }
  SECTION("a plan for another model") {
    CHECK_THROWS_AS(grow(plan(tiny::schema({.hidden = 4})), run.model), format_error);
    unchanged();
  }
}

TEST_CASE("a configuration that cannot express the growth is reported") {
  Rigid model{tiny::Config{}};
  for (auto& [n, p] : model.all) p.value.zero();
  Schema s = live_schema(static_cast<const Live<double>&>(model));
  CHECK_THROWS_AS(grow(plan(s, Net2Wider{.space = "ffn", .to = 7}), model), plan_error);
  CHECK_THROWS_AS(grow(plan(s, InsertBlocks{.at = {1}}), model), plan_error);
}
