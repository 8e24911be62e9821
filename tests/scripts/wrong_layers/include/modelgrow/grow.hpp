// SPDX-License-Identifier: MIT
// An umbrella header with code in it.
#pragma once
#include <modelgrow/core/shape.hpp>
int code;
