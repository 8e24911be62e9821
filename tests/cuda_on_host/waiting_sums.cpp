// SPDX-License-Identifier: MIT
// Sums over rows that wait for each other: added up together they are what they are one by one, in as few launches as
// their places allow.
#include <modelgrow/autograd/recompute.hpp>
#include <modelgrow/ops/add.hpp>
#include <modelgrow/ops/gate_residual.hpp>
#include <modelgrow/ops/norm_modulate.hpp>

#include "tests/cuda_on_host/support/emulated.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/random.hpp"
#include "tests/support/same_bits.hpp"

using namespace modelgrow;
using namespace modelgrow::kernels;
using modelgrow::testing::random_tensor;
using modelgrow::testing::same_bits;

namespace {

using Exec = Backend<Emulated>::Executor;

/// The parts of one sum of [groups, parts, columns], for [groups, slots, columns].
struct Parts {
  static constexpr Index groups = 2, parts = 3, columns = 5, slots = 4;
  Tensor<float, Emulated> values;
  Parts(std::uint64_t stream) : values(to_device<Emulated>(random_tensor<float>({groups, parts, columns}, stream))) {}
  static ColumnSumParts<float> to(float* sums, int slot) {
    return {.sums = 1,
            .groups = groups,
            .columns = columns,
            .parts = parts,
            .to = {{sums + slot * columns, nullptr}, slots * columns, 1}};
  }
};
Tensor<float, Emulated> sums() {
  return to_device<Emulated>(random_tensor<float>({Parts::groups, Parts::slots, Parts::columns}, 9));
}

std::size_t launches() { return Emulated::machine().launches().size(); }

}  // namespace

TEST_CASE("sums that wait are added up at once, to the bit as one by one, in the order in which they came") {
  const auto one_by_one = sums(), together = sums();
  WaitingSums<Exec, float> waiting;
  Emulated::machine().configure({});
  // Two go to slot 1: they do not wait for each other.
  for (const int slot : {1, 0, 3, 1, 2}) {
    const Parts parts(std::uint64_t(slot) + 20);
    WaitingSums<Exec, float> alone;
    alone.take(Parts::to(one_by_one.data(), slot), parts.values);
    alone.add_up();
    waiting.take(Parts::to(together.data(), slot), parts.values);
  }
  waiting.add_up();
  CHECK(launches() == 5 + 2);
  CHECK(same_bits(to_cpu(together), to_cpu(one_by_one)));
  waiting.add_up();
  CHECK(launches() == 5 + 2);
  Emulated::machine().configure({});
}

TEST_CASE("as many sums wait as a launch takes, and not more bytes than caches hold") {
  constexpr int entries = AddColumnSums<float>::Table::capacity;
  Tensor<float, Emulated> out({entries + 1, 8});
  out.zero();
  Emulated::machine().configure({});
  WaitingSums<Exec, float> waiting;
  const auto take = [&](int row, Index parts) {
    auto values = Tensor<float, Emulated>({parts, 8});
    values.zero();
    waiting.take({.sums = 1, .groups = 1, .columns = 8, .parts = parts, .to = {{out.data() + 8 * row, nullptr}, 0, 1}},
                 values);
  };
  for (int i = 0; i <= entries; ++i) take(i, 1);
  CHECK(launches() == 1);
  waiting.add_up();
  CHECK(launches() == 2);
  take(0, Index{1} << 19);  // 16 MB
  take(1, Index{1} << 19);
  CHECK(launches() == 2);
  take(2, 1);
  CHECK(launches() == 3);
  Emulated::machine().configure({});
}

TEST_CASE("sums lie apart where no value is one of both") {
  const std::vector<float> memory(200);
  for (const Index groups : {1, 2, 3})
    for (const Index columns : {1, 4})
      for (const Index group_stride : {0, 3, 4, 9, 20})
        for (const Index column_stride : {1, 2})
          for (Index at = 0; at < 60; ++at) {
            const auto places = [&](Index from) {
              std::vector<Index> all;
              for (Index g = 0; g < groups; ++g)
                for (Index c = 0; c < columns; ++c) all.push_back(from + g * group_stride + c * column_stride);
              std::ranges::sort(all);
              return all;
            };
            const auto a = places(60), b = places(60 + at), c = places(60 - at);
            const auto meet = [](const auto& x, const auto& y) {
              std::vector<Index> both;
              std::ranges::set_intersection(x, y, std::back_inserter(both));
              return !both.empty();
            };
            const auto says = [&](Index other) {
              return apart(memory.data() + 60, memory.data() + other, groups, columns, group_stride, column_stride);
            };
            CAPTURE(groups, columns, group_stride, column_stride, at);
            // It may hold sums for one that are not, but never the reverse.
            if (says(60 + at)) CHECK_FALSE(meet(a, b));
            if (says(60 - at)) CHECK_FALSE(meet(a, c));
            if (column_stride == 1 && group_stride >= columns && at % std::max<Index>(group_stride, 1) >= columns &&
                at % group_stride + columns <= group_stride)
              CHECK(says(60 + at));
          }
  CHECK(apart<float>(nullptr, nullptr, 1, 1, 0, 1));
}

TEST_CASE(
    "modulation vectors get the same gradient to the bit, whether they are used directly or recomputed, also as a "
    "leaf") {
  const auto values = [](Shape shape, std::uint64_t stream) {
    return to_device<Emulated>(random_tensor<bf16>(std::move(shape), stream));
  };
  const auto x = values({2, 3, 8}, 1), m = values({2, 4, 8}, 2);
  const auto gradient = [&](Activations activations, bool result) {
    Tape<bf16, Emulated> tape;
    const auto leaf = tape.leaf(m);
    const auto vectors = result ? add(tape, leaf, leaf) : leaf;
    auto v = tape.constant(x);
    for (int i = 0; i < 2; ++i) {
      const auto f = [&](const auto& in) {
        const auto y =
            gate_residual(tape, in[0], norm_modulate(tape, in[0], in[1], {.shift = 0, .scale = 1}), in[1], 2);
        return gate_residual(tape, y, y, in[1], 2);  // to the same place
      };
      const std::vector<Var<bf16, Emulated>> inputs{v, vectors};
      v = activations == Activations::keep ? f(inputs) : recompute(tape, inputs, f);
    }
    tape.backward(v);
    return to_cpu(leaf.gradient());
  };
  for (const bool result : {true, false})
    CHECK(same_bits(gradient(Activations::recompute, result), gradient(Activations::keep, result)));
}

TEST_CASE("what a recomputed part takes from outside beside its inputs gets its gradient too") {
  const auto check = []<class T>(double allowed) {
    const auto values = [](Shape shape, std::uint64_t stream) {
      return to_device<Emulated>(random_tensor<T>(std::move(shape), stream));
    };
    const auto x = values({2, 3, 8}, 1), m = values({2, 4, 8}, 2);
    const auto gradient = [&](Activations activations) {
      Tape<T, Emulated> tape;
      const auto leaf = tape.leaf(m);
      const auto vectors = add(tape, leaf, leaf);
      const auto f = [&](const std::vector<Var<T, Emulated>>& in) {
        const auto y = gate_residual(tape, in[0], norm_modulate(tape, in[0], vectors), in[1], 2);
        return gate_residual(tape, y, y, vectors, 3);
      };
      const std::vector<Var<T, Emulated>> inputs{tape.constant(x), vectors};
      tape.backward(activations == Activations::keep ? f(inputs) : recompute(tape, inputs, f));
      const Tensor<T, Cpu> narrow = to_cpu(leaf.gradient());
      auto wide = Tensor<float, Cpu>::zeros(narrow.shape());
      for (std::int64_t i = 0; i < wide.size(); ++i) wide.data()[i] = float(narrow.data()[i]);
      return wide;
    };
    CHECK(testing::relative_error(gradient(Activations::recompute), gradient(Activations::keep)) <= allowed);
  };
  check.operator()<float>(1e-6);
  check.operator()<bf16>(1e-2);
}
