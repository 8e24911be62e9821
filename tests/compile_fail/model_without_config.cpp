// SPDX-License-Identifier: MIT
// expect: Loadable
#include <modelgrow/models/load_model.hpp>

struct Model {
  static void describe(auto&, auto&) {}
};
auto model = modelgrow::load_model<Model>("somewhere");
