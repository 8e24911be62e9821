// SPDX-License-Identifier: MIT
// What tests of growth and training include beside precompiled.hpp: declarations of modelgrow::compiled.
#pragma once
#include <modelgrow/expand.hpp>
#include <modelgrow/nn.hpp>
#include <modelgrow/train.hpp>
#include <tests/support/laws.hpp>
#include <tests/support/precompiled.hpp>
