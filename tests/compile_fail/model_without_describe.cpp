// SPDX-License-Identifier: MIT
// expect: 'describe' is not a member of '.*Layer'
#include <modelgrow/core/describe.hpp>

struct Layer {
  modelgrow::Parameter<float, modelgrow::Cpu> weight;
};
auto parameters = modelgrow::count_parameters(Layer{});
