// SPDX-License-Identifier: MIT
// The instructions that compute registers from registers of the same thread.
#pragma once
#include <string>

#include "tests/cuda_on_host/support/ptx/instruction.hpp"

namespace ptx {

struct Operation {
  Computation compute;
  int results, operands;
};

/// What an instruction of this name does, or null when none is known; `mov.b64 split` and `mov.b64 join` take a
/// register apart and put it together. Computations throw std::domain_error where the result is not defined.
const Operation* operation(const std::string& name);

}  // namespace ptx
