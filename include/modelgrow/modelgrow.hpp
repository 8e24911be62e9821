// SPDX-License-Identifier: MIT
// Everything that needs only a C++ compiler, Eigen and nlohmann_json.
#pragma once
#include <modelgrow/checkpoint.hpp>
#include <modelgrow/expand.hpp>
#include <modelgrow/nn.hpp>
#include <modelgrow/train.hpp>
#include <modelgrow/verify/forward_check.hpp>
#include <modelgrow/version.hpp>
