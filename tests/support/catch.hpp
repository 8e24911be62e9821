// SPDX-License-Identifier: MIT
// Catch2 2.13 (Debian 12) and 3 behind one include. Use only what both have: no Approx, no SKIP.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;
