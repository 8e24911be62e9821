// SPDX-License-Identifier: MIT
// The type that programs of tiles know as bf16.
#pragma once
#include <modelgrow/core/dtype.hpp>

using __nv_bfloat16 = modelgrow::bf16;
