// SPDX-License-Identifier: MIT
// What the kernels between products and the optimizer cost, as nvcc compiles them: instructions a value, and how wide
// their accesses are. They should wait for memory and for nothing else.
#include "tests/cuda_on_host/support/interpreted.hpp"
#include "tests/support/catch.hpp"

using namespace modelgrow;
using B = Backend<Interpreted>;

namespace {

constexpr std::int64_t tokens = 16, channels = 1152, values = tokens * channels;
constexpr ModulateSize size{.batch = 1, .tokens = tokens, .channels = channels, .slots = 6};

Tensor<bf16, Interpreted> some(std::int64_t n = values) {
  auto t = Tensor<bf16, Cpu>::zeros({n});
  for (std::int64_t i = 0; i < n; ++i) t.data()[i] = bf16(float(i % 7) - 3);
  return to_device<Interpreted>(t);
}

/// Of the last launch: instructions for each of n values, without those that ptxas makes operands of.
double instructions_of(std::int64_t n) {
  return double(Interpreted::machine().executed() - Interpreted::machine().folded()) / double(n);
}
/// Of f's last launch, all but a few of whose accesses take 16 bytes.
template <class F>
double instructions(F&& f) {
  f();
  CHECK(Interpreted::machine().wide_share() >= 0.94);  // the rest: mean and rstd of a row
  return instructions_of(values);
}

}  // namespace

TEST_CASE("kernels between products take few instructions a value, in accesses of 16 bytes") {
  const auto a = some(), b = some(), y = some(), sums = some(), m = some(6 * channels);
  const Tensor<float, Interpreted> sum = Tensor<float, Interpreted>::zeros({values}), mean({tokens}), rstd({tokens});
  struct Row {
    const char* what;
    double most, found;
  };
  const Row rows[] = {
      {"add", 8, instructions([&] { B::add(values, a.data(), b.data(), y.data()); })},
      {"axpy", 8, instructions([&] { B::axpy(values, 0.5, a.data(), y.data()); })},
      {"lerp", 8, instructions([&] { B::lerp(values, 0.5, a.data(), y.data()); })},
      {"fill", 8, instructions([&] { B::fill(values, bf16(1.0f), y.data()); })},
      {"collect", 8, instructions([&] { B::collect(values, a.data(), sum.data()); })},
      {"narrow", 8, instructions([&] { B::narrow(values, sum.data(), y.data()); })},
      {"add_table", 8, instructions([&] { B::add_table(1, tokens, 1, channels, a.data(), b.data(), y.data()); })},
      {"gate_residual", 8, instructions([&] { B::gate_residual(size, a.data(), b.data(), m.data(), 2, y.data()); })},
      {"gate_residual_dx", 8,
       instructions([&] { B::gate_residual_dx(size, a.data(), m.data(), 2, b.data(), y.data(), nullptr); })},
      {"gelu", 19, instructions([&] { B::activation(Activation::gelu_tanh, values, a.data(), y.data()); })},
      {"gelu_dx", 28,
       instructions([&] { B::activation_dx(Activation::gelu_tanh, values, a.data(), b.data(), y.data()); })},
      {"norm_modulate", 20, instructions([&] {
         B::norm_modulate(size, 1e-6, a.data(), m.data(), 0, 1, y.data(), mean.data(), rstd.data());
       })},
      {"residual_norm_modulate", 26, instructions([&] {
         B::residual_norm_modulate(size, 1e-6, a.data(), b.data(), m.data(), 2, 0, 1, sums.data(), y.data(),
                                   mean.data(), rstd.data());
       })},
      {"norm_modulate_dx", 27, instructions([&] {
         B::norm_modulate_dx(size, a.data(), m.data(), 0, 1, mean.data(), rstd.data(), b.data(), y.data(),
                             Write::overwrite, nullptr);
       })},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what, row.found);
    CHECK(row.found <= row.most);
    CHECK(row.found > 1);
  }
}

TEST_CASE("the gradients of a norm and the parts of their sums are one pass, in accesses of 16 bytes") {
  using Kernel = kernels::NormDxSums<bf16>;
  constexpr std::int64_t rows = Kernel::part_rows, n = rows * channels;
  const auto x = some(n), dy = some(n), dx = some(n), m = some(6 * channels);
  const Tensor<float, Interpreted> mean({rows}), rstd({rows}), partial({2 * channels});
  const kernels::Affine<bf16> affine{
      .scale = m.data(), .shift = m.data(), .base = 1, .rows = rows, .stride = 6 * channels};
  kernels::PtxExecutor::launch(Kernel{.size = {.groups = 1, .rows = rows, .columns = channels},
                                      .x = x.data(),
                                      .affine = affine,
                                      .mean = mean.data(),
                                      .rstd = rstd.data(),
                                      .dy = dy.data(),
                                      .dx = dx.data(),
                                      .how = Write::add,
                                      .partial = partial.data()});
  CHECK(Interpreted::machine().wide_share() >= 0.91);  // of fewer accesses mean and rstd are more
  const double found = instructions_of(n);
  CAPTURE(found);
  CHECK(found <= 22);
  CHECK(found > 1);
}

TEST_CASE("the optimizer's pass is bound by memory, in accesses of 16 bytes") {
  const auto w = some();
  const auto gradient = Tensor<float, Interpreted>::zeros({values}), master = gradient.clone(),
             first = gradient.clone(), second = gradient.clone(), average = gradient.clone();
  const auto scale = to_device<Interpreted>(Tensor<float, Cpu>::from({1}, std::vector<float>{1}));
  const AdamWUpdate<bf16> update{.lr = 1e-4,
                                 .eps = 1e-8,
                                 .decay = 1e-6,
                                 .correction1 = 0.1,
                                 .correction2 = 0.001,
                                 .rows = tokens,
                                 .columns = channels,
                                 .lr_columns = nullptr,
                                 .eps_rows = nullptr,
                                 .w = w.data(),
                                 .master = master.data(),
                                 .gradient = gradient.data(),
                                 .m = first.data(),
                                 .v = second.data(),
                                 .average = average.data()};
  const AdamWStep step{.beta1 = 0.9, .beta2 = 0.999, .average_rate = 0.001};
  const double found = instructions([&] { B::adamw<bf16>(step, scale.data(), {&update, 1}); });
  CAPTURE(found);
  CHECK(found <= 25);  // its 42 bytes take as long as 200
}
