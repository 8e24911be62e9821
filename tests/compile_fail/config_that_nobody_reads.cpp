// SPDX-License-Identifier: MIT
// expect: required expression 'read_config[(].*is invalid
#include <modelgrow/models/load_model.hpp>

struct Model {
  struct Config {};
  explicit Model(Config) {}
  static void describe(auto&, auto&) {}
};
auto model = modelgrow::load_model<Model>("somewhere");
