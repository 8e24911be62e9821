// SPDX-License-Identifier: MIT
// Its definitions need a helper that needs it.
#pragma once
#include <modelgrow/grow/circle_helper_inl.hpp>
#include <modelgrow/grow/circle_inl.hpp>
