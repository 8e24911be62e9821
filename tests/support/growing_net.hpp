// SPDX-License-Identifier: MIT
// The smallest model that can be grown in the middle of a run.
#pragma once
#include <modelgrow/core/describe.hpp>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/core/schema.hpp>
#include <modelgrow/diffusion/noise.hpp>
#include <modelgrow/ops/activation.hpp>
#include <modelgrow/ops/linear.hpp>

namespace modelgrow::testing {

/// 6 -> ffn -> 6.
template <class T, Device D>
struct GrowingNet {
  static constexpr std::string_view family = "growing_net";
  Space ffn;
  Parameter<T, D> up, up_bias, down, down_bias;

  explicit GrowingNet(std::int64_t size) : ffn(Space{.name = "ffn", .size = size}) {
    up = Parameter<T, D>(ParamInfo{.axes = {out(ffn), in(6)}});
    up_bias = Parameter<T, D>(ParamInfo{.axes = {out(ffn)}});
    down = Parameter<T, D>(ParamInfo{.axes = {out(6), in(ffn)}});
    down_bias = Parameter<T, D>(ParamInfo{.axes = {out(6)}});
    for_each_parameter(*this, [&](const std::string& path, auto& p) {
      p.value = gaussian_noise<T, D>(p.value.shape(), Rng(3, hash_name(path)));
    });
  }
  static void describe(auto& self, auto& v) {
    v.space(self.ffn, SpaceRules{});
    v("up", self.up);
    v("up_bias", self.up_bias);
    v("down", self.down);
    v("down_bias", self.down_bias);
  }
  Var<T, D> operator()(Tape<T, D>& tape, const Var<T, D>& x) {
    const auto h = linear(tape, x, tape.use(up), tape.use(up_bias));
    return linear(tape, silu(tape, h), tape.use(down), tape.use(down_bias));
  }
};
template <class T, Device D>
GrowingNet<T, D> rebuild(const GrowingNet<T, D>&, const Schema& schema) {
  return GrowingNet<T, D>(schema.space("ffn").space.size);
}

}  // namespace modelgrow::testing
