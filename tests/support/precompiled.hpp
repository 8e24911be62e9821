// SPDX-License-Identifier: MIT
// What nearly every test includes, compiled once for all of them (tests/CMakeLists.txt). Tests include what they use.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include <tests/support/catch.hpp>
