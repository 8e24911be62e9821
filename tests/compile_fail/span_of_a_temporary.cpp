// SPDX-License-Identifier: MIT
// expect: use of deleted function .*span
#include <modelgrow/core/tensor.hpp>

auto values = modelgrow::Tensor<float, modelgrow::Cpu>({2, 3}).span();
