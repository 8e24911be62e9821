// SPDX-License-Identifier: MIT
// 16-bit weights: the optimizer steps a float master, the average follows the master, and both survive the disk. The
// device is host memory with a plain backend of its own, since the CPU backend computes in float and double only.
#include <cmath>

#include <modelgrow/train/checkpointing.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

namespace {
struct Half : modelgrow::Cpu {};
}  // namespace

template <>
struct modelgrow::Backend<Half> {
  using bf16 = modelgrow::bf16;
  template <class>
  static void adamw(const AdamWStep& s, const float* scale, std::span<const AdamWUpdate<bf16>> updates) {
    for (const auto& u : updates)
      for (std::int64_t i = 0; i < u.rows * u.columns; ++i) {
        const auto g = u.gradient[i] * *scale;
        u.m[i] = float(s.beta1) * u.m[i] + float(1 - s.beta1) * g;
        u.v[i] = float(s.beta2) * u.v[i] + float(1 - s.beta2) * g * g;
        u.master[i] -= float(u.lr / u.correction1) * u.m[i] / (std::sqrt(u.v[i] / float(u.correction2)) + float(u.eps));
        u.w[i] = bf16(u.master[i]);
        u.gradient[i] = 0;
        if (u.average) u.average[i] += float(s.average_rate) * (u.master[i] - u.average[i]);
      }
  }
  template <class>
  static void sum_of_squares(std::span<const std::span<const float>> tensors, double* sum) {
    for (const auto& x : tensors)
      for (const float v : x) *sum += double(v) * double(v);
  }
  template <class>
  static void clipping(double longest, const double* sum, float* scale) {
    *scale = float(std::min(1.0, longest / std::sqrt(*sum)));
  }
  static void lerp(std::int64_t n, double weight, const float* x, float* y) {
    for (std::int64_t i = 0; i < n; ++i) y[i] += float(weight) * (x[i] - y[i]);
  }
};

namespace mg = modelgrow;
using mg::bf16;
using mg::testing::Scratch;

namespace {

struct Model {
  mg::Parameter<bf16, Half> bias{mg::ParamInfo{.axes = {mg::out(4)}}};
  Model() {
    for (std::int64_t i = 0; i < 4; ++i) bias.value.data()[i] = bf16(1.0f);
  }
  static void describe(auto& self, auto& v) { v("bias", self.bias); }
};

void step(Model& model, mg::AdamW<bf16, Half>& adam, mg::Ema<bf16, Half>& ema) {
  model.bias.gradient = mg::Tensor<float, Half>(mg::Shape{4});
  for (std::int64_t i = 0; i < 4; ++i) model.bias.gradient.data()[i] = 0.5f;
  adam.step(model, 1e-4);
  ema.update(model, adam);
}

}  // namespace

TEST_CASE("steps below the spacing of bf16 add up in the master, and the average sees them") {
  const Scratch directory;
  Model model;
  mg::AdamW<bf16, Half> adam(model, {});
  mg::Ema<bf16, Half> ema(model, adam, {.decay = 0.5, .warmup = mg::EmaOptions::Warmup::none});
  for (int i = 0; i < 10; ++i) step(model, adam, ema);
  CHECK(float(model.bias.value.data()[0]) == 1.0f);  // 1 - 1e-3 is nearer to 1 than to 1 - 2^-8
  CHECK_THAT(adam.states().at("bias").master.data()[0], WithinAbs(1.0f - 1e-3f, 1e-6f));
  CHECK(ema.averages().at("bias").data()[0] < 0.9993f);

  mg::save_run(directory / "run", model, adam, &ema, {.step = 10});
  Model other;
  mg::AdamW<bf16, Half> adam2(other, {});
  mg::Ema<bf16, Half> ema2(other, adam2, ema.options());
  mg::load_run(directory / "run", other, adam2, &ema2);
  for (int i = 0; i < 30; ++i) {
    step(model, adam, ema);
    step(other, adam2, ema2);
  }
  CHECK(float(model.bias.value.data()[0]) == 0.99609375f);
  CHECK(adam2.states().at("bias").master.data()[0] == adam.states().at("bias").master.data()[0]);
  CHECK(ema2.averages().at("bias").data()[0] == ema.averages().at("bias").data()[0]);
  {
    const auto in_use = ema2.use_in(other);
    CHECK(float(other.bias.value.data()[0]) == float(bf16(ema.averages().at("bias").data()[0])));
  }
  CHECK(other.bias.value.data()[0] == model.bias.value.data()[0]);
}

TEST_CASE("a state without a master, as growth adds it, takes the weights for its master at the first step") {
  Model model;
  mg::AdamW<bf16, Half> adam(model, {});
  mg::Ema<bf16, Half> ema(model, adam, {.decay = 0.5, .warmup = mg::EmaOptions::Warmup::none});
  step(model, adam, ema);
  adam.states().at("bias").master = {};
  for (std::int64_t i = 0; i < 4; ++i) model.bias.value.data()[i] = bf16(3.0f);
  ema.update(model, adam);
  CHECK(ema.averages().at("bias").data()[0] > 1.9f);
  step(model, adam, ema);
  CHECK_THAT(adam.states().at("bias").master.data()[0], WithinAbs(3.0f, 1e-3f));
  CHECK(adam.states().at("bias").master.data()[0] < 3.0f);
}
