// SPDX-License-Identifier: MIT
// expect: 'Element<To>' .with To = int
#include <modelgrow/core/dtype.hpp>

auto number = modelgrow::element_cast<int>(1.0f);
