// SPDX-License-Identifier: MIT
// The instructions that compute registers from registers of the same thread.
#pragma once
#include <string>

#include "tests/cuda_on_host/support/ptx/instruction.hpp"

namespace ptx {

/// What an instruction of this name does, or null when none is known; throws std::domain_error where the result is not
/// defined. `mov.b64 split` and `mov.b64 join` take a
/// register apart and put it together.
Computation operation(const std::string& name);

}  // namespace ptx
