// SPDX-License-Identifier: MIT
// The definitions of circle.hpp.
#pragma once
#include <modelgrow/grow/circle.hpp>
#include <modelgrow/grow/circle_helper.hpp>
