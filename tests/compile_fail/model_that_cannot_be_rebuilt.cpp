// SPDX-License-Identifier: MIT
// expect: required expression 'rebuild[(]m, s[)]' is invalid
#include <modelgrow/grow/live.hpp>

struct Model {
  static void describe(auto&, auto&) {}
};
void use(const modelgrow::Plan& plan, Model& model) { modelgrow::grow(plan, model); }
