// SPDX-License-Identifier: MIT
// Two translation units that include the whole library: the linker objects to a definition that is not inline.
#include <modelgrow/modelgrow.hpp>

modelgrow::Plan plan_of(const modelgrow::Schema&);

int main() {
  using Model = modelgrow::Stdit<float, modelgrow::Cpu>;
  Model model({.input_size = {2, 8, 8}, .in_channels = 3, .hidden_size = 16, .depth = 1, .num_heads = 2});
  modelgrow::initialise(model, 1);
  const modelgrow::Plan plan = plan_of(modelgrow::schema(model));
  modelgrow::grow(plan, model);
  return modelgrow::schema(model).space("ffn").space.size == 96 ? 0 : 1;
}
