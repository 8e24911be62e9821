// SPDX-License-Identifier: MIT
// The smallest models that have everything a trainer meets: matrices, biases, a buffer, and two models in a pipeline.
#pragma once
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/core/describe.hpp>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/detail/json.hpp>
#include <modelgrow/diffusion/noise.hpp>
#include <modelgrow/ops/activation.hpp>
#include <modelgrow/ops/linear.hpp>
#include <modelgrow/ops/mse.hpp>

namespace tiny {

namespace mg = modelgrow;

struct MlpConfig {
  std::int64_t width = 6, hidden = 10;
};
inline std::string config_text(const MlpConfig& c) {
  return mg::detail::json{{"width", c.width}, {"hidden", c.hidden}}.dump(2) + "\n";
}

/// width -> hidden -> width, with a table that is stored and never trained.
template <class T, mg::Device D>
struct Mlp {
  static constexpr std::string_view family = "tiny_mlp";
  MlpConfig config;
  mg::Parameter<T, D> weight1, bias1, weight2, bias2, table;

  explicit Mlp(const MlpConfig& c, std::uint64_t seed = 1) : config(c) {
    using namespace mg;
    weight1 = Parameter<T, D>(ParamInfo{.axes = {out(c.hidden), in(c.width)}});
    bias1 = Parameter<T, D>(ParamInfo{.axes = {out(c.hidden)}});
    weight2 = Parameter<T, D>(ParamInfo{.axes = {out(c.width), in(c.hidden)}, .purpose = Purpose::closes});
    bias2 = Parameter<T, D>(ParamInfo{.axes = {out(c.width)}, .purpose = Purpose::closes});
    table = Parameter<T, D>(ParamInfo{.axes = {each(c.width)}, .purpose = Purpose::buffer});
    for_each_parameter(*this, [&](const std::string& path, auto& p) {
      p.value = gaussian_noise<T, D>(p.value.shape(), Rng(seed, hash_name(path)));
    });
  }
  static void describe(auto& self, auto& v) {
    v("weight1", self.weight1);
    v("bias1", self.bias1);
    v("weight2", self.weight2);
    v("bias2", self.bias2);
    v("table", self.table);
  }
  mg::Var<T, D> operator()(mg::Tape<T, D>& tape, const mg::Var<T, D>& x) {
    const auto h = linear(tape, x, tape.use(weight1), tape.use(bias1));
    return linear(tape, silu(tape, h), tape.use(weight2), tape.use(bias2));
  }
};

/// Two models, one after the other.
template <class T, mg::Device D>
struct Pair {
  static constexpr std::string_view family = "tiny_pair";
  Mlp<T, D> first, second;
  explicit Pair(const MlpConfig& c = {}) : first(c, 1), second(c, 2) {}
  static void describe(auto& self, auto& v) {
    v.child("first", self.first);
    v.child("second", self.second);
  }
  mg::Var<T, D> operator()(mg::Tape<T, D>& tape, const mg::Var<T, D>& x) { return second(tape, first(tape, x)); }
};

/// Something to learn: inputs of batch i are noise, targets are twice the inputs.
template <class T, mg::Device D, class M>
mg::Var<T, D> loss(M& model, mg::Tape<T, D>& tape, std::int64_t i) {
  const auto x = mg::gaussian_noise<T, D>(mg::Shape{8, 6}, mg::Rng(77), std::uint64_t(i) * 48);
  mg::Tensor<T, D> target = x.clone();
  mg::Backend<D>::add(x.size(), x.data(), x.data(), target.data());
  return mse(tape, model(tape, tape.constant(x)), target);
}

}  // namespace tiny
