// SPDX-License-Identifier: MIT
// Can only be included behind circle.hpp.
#pragma once
#include <modelgrow/grow/circle.hpp>
