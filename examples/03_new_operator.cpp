// SPDX-License-Identifier: MIT
// A growth operator of your own: a name and an edit of a plan. Files, optimizer state and proofs follow by themselves.
#include <iostream>
#include <modelgrow/expand.hpp>
namespace mg = modelgrow;

/// Doubles every other unit of a space.
struct EveryOther {
  static constexpr std::string_view name = "EveryOther";
  std::string space;

  void apply(mg::Plan& plan) const {
    mg::SpaceMap map{.space = space, .old_size = plan.schema().space(space).space.size, .from = {}, .split = {}};
    for (std::int64_t i = 0; i < map.old_size; ++i)
      for (int copy = 0; copy <= i % 2; ++copy) {
        map.from.push_back(i);
        map.split.push_back(i % 2 ? 0.5 : 1.0);
      }
    plan.remap({map}, mg::Noise{.db = 20, .seed = 1});
  }
};

int main() {
  auto in = mg::Checkpoint::open("data/base/transformer");
  std::cout << mg::plan(in, EveryOther{.space = "ffn"}).write(in, "grown");
}
