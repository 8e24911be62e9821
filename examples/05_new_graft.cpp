// SPDX-License-Identifier: MIT
// A graft of your own: a layer, the port where it goes, and what closes it. It works on every family with the port.
#include <iostream>
#include <modelgrow/grafts.hpp>
#include <modelgrow/nn/mlp.hpp>
namespace mg = modelgrow;

/// x + up(gelu(down(x))) in every block: an adapter whose last map starts at zero.
template <class T, class D>
struct Adapter {
  static constexpr std::string_view name = "Adapter", port = "temporal", module = "adapter";
  static constexpr std::string_view summary = "a bottleneck in every block";
  struct Options {
    std::int64_t units = 64;
    static void describe(auto& self, auto& v) { v("units", self.units, "of the bottleneck"); }
  };
  mg::Mlp<T, D> mlp;
  Adapter(const mg::Port& at, const Options& o)
      : mlp(at.stream, o.units, at.stream, mg::Init::zeros(), mg::Writes::residual) {}
  static void describe(auto& self, auto& v) { v.child("mlp", self.mlp); }
  auto operator()(mg::Tape<T, D>& tape, const mg::Var<T, D>& x, const mg::GraftContext<T, D>&) {
    return mg::add(tape, x, mlp(tape, x));
  }
};

int main() {
  auto in = mg::Checkpoint::open("data/base/transformer");
  std::cout << mg::plan(in, mg::Graft<Adapter>{{.units = 32}}).write(in, "grown");
}
