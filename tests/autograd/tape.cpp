// SPDX-License-Identifier: MIT
// The tape: gradients add up, memory is used again, nothing is recorded that nobody wants, recomputation.
#include <modelgrow/autograd/recompute.hpp>
#include <modelgrow/autograd/tape.hpp>
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/ops/activation.hpp>
#include <modelgrow/ops/add.hpp>
#include <modelgrow/ops/linear.hpp>
#include <modelgrow/ops/mse.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/random.hpp"
#include "tests/support/same_bits.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;
using DoubleTape = Tape<double, Cpu>;
using V = Var<double, Cpu>;

namespace {

Parameter<double, Cpu> parameter(Shape shape, std::uint64_t stream) {
  Parameter<double, Cpu> p;
  p.value = random_tensor(std::move(shape), stream);
  return p;
}

// A residual MLP block; counts how often it runs.
struct Block {
  Parameter<double, Cpu> in = parameter({8, 4}, 1), out = parameter({4, 8}, 2);
  int runs = 0;
  V operator()(DoubleTape& tape, const V& x) {
    ++runs;
    return add(tape, x, linear(tape, gelu(tape, linear(tape, x, tape.use(in))), tape.use(out)));
  }
};

}  // namespace

TEST_CASE("gradients of a leaf used many times add up") {
  DoubleTape tape;
  const V x = tape.leaf(random_tensor({3}, 1));
  V sum = x;
  for (int i = 0; i < 5; ++i) sum = add(tape, sum, x);
  tape.backward(sum);
  for (int i = 0; i < 3; ++i) CHECK(x.gradient().data()[i] == 6);
}

TEST_CASE("gradients of parameters add up over backward passes until they are cleared") {
  Block block;
  const auto x = random_tensor({2, 4}, 3), target = random_tensor({2, 4}, 4);
  const auto pass = [&] {
    DoubleTape tape;
    tape.backward(mse(tape, block(tape, tape.constant(x)), target));
  };
  pass();
  const auto once = block.in.gradient.clone();
  pass();
  auto twice = once.clone();
  for (double& g : twice.span()) g *= 2;
  CHECK(relative_error(block.in.gradient, twice) < 1e-14);
}

TEST_CASE("frozen parameters and buffers get no gradient") {
  Block block;
  block.in.state = Parameter<double, Cpu>::State::frozen;
  block.out.info.purpose = Purpose::buffer;
  DoubleTape tape;
  const V y = block(tape, tape.constant(random_tensor({2, 4}, 3)));
  CHECK_FALSE(y.wants_gradient());
  tape.backward(y);
  CHECK_FALSE(block.in.gradient.defined());
  CHECK_FALSE(block.out.gradient.defined());
}

TEST_CASE("an inferring tape records nothing") {
  Block block;
  DoubleTape tape(DoubleTape::Mode::infer);
  const V y = block(tape, tape.leaf(random_tensor({2, 4}, 3)));
  CHECK_FALSE(y.wants_gradient());
  CHECK_FALSE(block.in.gradient.defined());
  const V z = recompute(tape, std::vector<V>{y}, [&](const std::vector<V>& v) { return block(tape, v[0]); });
  CHECK_FALSE(z.wants_gradient());
}

TEST_CASE("recomputation gives the same gradients with less memory") {
  const auto x = random_tensor({512, 4}, 3), target = random_tensor({512, 4}, 4);
  const auto train = [&](Activations activations, std::vector<Block>& blocks) {
    DoubleTape tape;
    V v = tape.constant(x);
    for (Block& b : blocks)
      v = activations == Activations::keep
              ? b(tape, v)
              : recompute(tape, std::vector<V>{v}, [&](const std::vector<V>& again) { return b(tape, again[0]); });
    tape.backward(mse(tape, v, target));
    return tape.pool().held();
  };
  std::vector<Block> kept(6), recomputed(6);
  const std::size_t all = train(Activations::keep, kept), few = train(Activations::recompute, recomputed);
  CHECK(few < all / 2);
  for (std::size_t i = 0; i < 6; ++i) {
    CHECK(kept[i].runs == 1);
    CHECK(recomputed[i].runs == 2);
    CHECK(relative_error(recomputed[i].in.gradient, kept[i].in.gradient) == 0);
    CHECK(relative_error(recomputed[i].out.gradient, kept[i].out.gradient) == 0);
  }
}

TEST_CASE("recomputation adds to gradients as the operations themselves would, to the bit") {
  Block used[3];
  const auto x = random_tensor<double>({5, 4}, 3), target = random_tensor<double>({5, 4}, 4);
  const auto gradient = [&](Activations activations) {
    DoubleTape tape;
    const V leaf = tape.leaf(x), early = used[0](tape, leaf);
    V late = used[1](tape, early);
    for (Block& b : used) {  // early is an input of every one
      const auto f = [&](const std::vector<V>& v) { return add(tape, b(tape, v[0]), b(tape, v[1])); };
      late = activations == Activations::keep ? f({late, early}) : recompute(tape, std::vector<V>{late, early}, f);
    }
    tape.backward(mse(tape, late, target));
    return leaf.gradient();
  };
  CHECK(same_bits(gradient(Activations::keep), gradient(Activations::recompute)));
}

TEST_CASE("recomputation says which value nobody reads: what only it needs may be left out") {
  Block block;
  const auto x = random_tensor({2, 4}, 3);
  std::vector<Value> asked;
  const auto gradient = [&](bool leaves_out) {
    DoubleTape tape;
    const V leaf = tape.leaf(x);
    const V y = recompute(tape, std::vector<V>{leaf}, [&](const std::vector<V>& v, Value result) {
      asked.push_back(result);
      const V inner = block(tape, v[0]);
      Tensor<double, Cpu> sum = tape.allocate(inner.shape());
      if (result == Value::read || !leaves_out) Backend<Cpu>::add(sum.size(), inner.data(), inner.data(), sum.data());
      return tape.record(std::move(sum), {inner},
                         [&tape, inner](Tensor<double, Cpu> dy) { tape.accumulate(inner, 2.0, dy); });
    });
    tape.backward(y);
    return leaf.gradient();
  };
  CHECK(same_bits(gradient(true), gradient(false)));
  CHECK(asked == std::vector<Value>{Value::read, Value::unread, Value::read, Value::unread});
}

TEST_CASE("recomputation nests") {
  Block kept, inner;
  const auto x = random_tensor({2, 4}, 3), target = random_tensor({2, 4}, 4);
  {
    DoubleTape tape;
    const V leaf = tape.leaf(x);
    tape.backward(mse(tape, kept(tape, kept(tape, leaf)), target));
  }
  DoubleTape tape;
  const V leaf = tape.leaf(x);
  const auto once = [&](const std::vector<V>& v) { return inner(tape, v[0]); };
  const auto twice = [&](const std::vector<V>& v) { return recompute(tape, {recompute(tape, {v[0]}, once)}, once); };
  tape.backward(mse(tape, recompute(tape, std::vector<V>{leaf}, twice), target));
  CHECK(relative_error(inner.in.gradient, kept.in.gradient) == 0);
  CHECK(relative_error(inner.out.gradient, kept.out.gradient) == 0);
}

TEST_CASE("a tape takes no new memory after its first step") {
  Block block;
  DoubleTape tape;
  const auto x = random_tensor({64, 4}, 3), target = random_tensor({64, 4}, 4);
  std::size_t held = 0;
  for (int step = 0; step < 3; ++step) {
    tape.backward(mse(tape, block(tape, tape.constant(x)), target));
    if (step == 0) held = tape.pool().held();
    CHECK(tape.pool().held() == held);
  }
}

TEST_CASE("an observer sees what the model points out") {
  DoubleTape tape;
  std::vector<std::string> seen;
  tape.observer = [&](const std::string& name, const Tensor<double, Cpu>& value) {
    seen.push_back(name + " " + to_string(value.shape()));
  };
  tape.observe("blocks.0.", "mlp", tape.constant(random_tensor({2, 3}, 1)));
  REQUIRE(seen.size() == 1);
  CHECK(seen[0] == "blocks.0.mlp [2, 3]");
}

TEST_CASE("a bias that is used twice gets both gradients, after those that came before") {
  auto w = parameter({3, 4}, 1), b = parameter({3}, 2);
  const auto x = random_tensor({5, 4}, 3), seed = random_tensor({5, 3}, 4);
  for (int pass = 1; pass <= 2; ++pass) {
    DoubleTape tape;
    const V bias = tape.use(b);
    const V first = linear(tape, tape.constant(x), tape.use(w), bias);
    tape.backward(add(tape, first, linear(tape, tape.constant(x), tape.use(w), tape.use(b))), seed);
    for (int c = 0; c < 3; ++c) {
      double sum = 0;
      for (int r = 0; r < 5; ++r) sum += seed.data()[3 * r + c];
      CHECK_THAT(b.gradient.data()[c], WithinRel(2 * pass * sum, 1e-12));
    }
  }
}

TEST_CASE("a bias that is a leaf or a result gets its gradient") {
  DoubleTape tape;
  const V leaf = tape.leaf(random_tensor({3}, 1)), result = add(tape, leaf, leaf);
  const V w = tape.constant(random_tensor({3, 4}, 2)), x = tape.constant(random_tensor({2, 4}, 3));
  tape.backward(add(tape, linear(tape, x, w, leaf), linear(tape, x, w, result)));
  for (int c = 0; c < 3; ++c) CHECK(leaf.gradient().data()[c] == 6);  // one and two for each of two rows
}

TEST_CASE("a backward pass that throws leaves nothing for the next") {
  auto w = parameter({4, 4}, 1), b = parameter({4}, 2);
  const auto pass = [&](DoubleTape& tape, bool fails) {
    const V x = tape.leaf(random_tensor({2, 4}, 3));
    const V z = tape.record(x.value().clone(), {x}, [fails](Tensor<double, Cpu>) {
      if (fails) throw error("the device is gone");
    });
    tape.backward(linear(tape, z, tape.use(w), tape.use(b)));
  };
  DoubleTape one, tape;
  pass(one, false);
  const auto once_w = w.gradient.clone(), once_b = b.gradient.clone();
  w.gradient.zero();
  b.gradient.zero();
  CHECK_THROWS_AS(pass(tape, true), error);
  w.gradient.zero();
  b.gradient.zero();
  pass(tape, false);
  CHECK(same_bits(once_w, w.gradient));
  CHECK(same_bits(once_b, b.gradient));
}

TEST_CASE(
    "a tape tells once of each gradient that is finished, also of parameters that are used again and recomputed") {
  Block blocks[3];
  const auto x = random_tensor<double>({5, 4}, 3), target = random_tensor<double>({5, 4}, 4);
  const auto order_of = [&](Activations activations) {
    for (Block& b : blocks) b.in.gradient = b.out.gradient = {};
    DoubleTape tape;
    std::vector<const double*> order;
    std::vector<Tensor<double, Cpu>> when_told;
    tape.finished = [&](const double* gradient) {
      CHECK_FALSE(tape.awaits(gradient));
      tape.add_contributions();
      order.push_back(gradient);
      for (Block& b : blocks)
        for (auto* p : {&b.in, &b.out})
          if (p->gradient.data() == gradient) when_told.push_back(p->gradient.clone());
    };
    V v = tape.constant(x);
    for (const int i : {0, 1, 0, 2}) {  // the first block twice
      const auto f = [&, i](const std::vector<V>& in) { return blocks[i](tape, in[0]); };
      v = activations == Activations::keep ? f({v}) : recompute(tape, std::vector<V>{v}, f);
    }
    const V loss = mse(tape, v, target);
    for (Block& b : blocks) CHECK((tape.awaits(b.in.gradient.data()) && tape.awaits(b.out.gradient.data())));
    tape.backward(loss);
    std::vector<std::string> names;
    for (std::size_t k = 0; k < order.size(); ++k)
      for (int i = 0; i < 3; ++i)
        for (auto* p : {&blocks[i].in, &blocks[i].out})
          if (p->gradient.data() == order[k]) {
            names.push_back(std::to_string(i) + (p == &blocks[i].in ? " in" : " out"));
            CHECK(same_bits(when_told[k], p->gradient));  // nothing was added since
          }
    return names;
  };
  CHECK(order_of(Activations::keep) == std::vector<std::string>{"2 out", "2 in", "1 out", "1 in", "0 out", "0 in"});
  auto recomputed = order_of(Activations::recompute);  // those of a block together
  CHECK(recomputed.size() == 6);
  for (int k = 0; k < 6; ++k) CHECK(recomputed[std::size_t(k)][0] == "221100"[k]);
}

TEST_CASE("a pass that threw leaves no gradient that is waited for") {
  Block block;
  DoubleTape tape;
  int told = 0;
  tape.finished = [&](const double*) {
    if (++told == 1) throw std::runtime_error("the other ranks are gone");
  };
  const auto x = random_tensor<double>({2, 4}, 3), target = random_tensor<double>({2, 4}, 4);
  CHECK_THROWS_AS(tape.backward(mse(tape, block(tape, tape.constant(x)), target)), std::runtime_error);
  CHECK_FALSE(tape.awaits(block.in.gradient.data()));
  tape.backward(mse(tape, block(tape, tape.constant(x)), target));
  CHECK(told == 3);
}
