// SPDX-License-Identifier: MIT
// Layers that growth can add, on disk and live: temporal ones, and those that read a second text encoder.
#pragma once
#include <modelgrow/expand.hpp>
#include <modelgrow/grafts/all.hpp>
