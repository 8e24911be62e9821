// SPDX-License-Identifier: MIT
// A plan as JSON, both ways.
#pragma once
#include <modelgrow/grow/plan_from_json.hpp>
#include <modelgrow/grow/plan_to_json.hpp>
