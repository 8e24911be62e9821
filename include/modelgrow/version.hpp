// SPDX-License-Identifier: MIT
// The one place that states the version; CMake reads it from here.
#pragma once

#define MODELGROW_VERSION_MAJOR 0
#define MODELGROW_VERSION_MINOR 1
#define MODELGROW_VERSION_PATCH 0
