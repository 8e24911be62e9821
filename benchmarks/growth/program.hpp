// SPDX-License-Identifier: MIT
// The program, whatever device it trains on.
#pragma once
#include "run.hpp"

namespace growth {

/// main() of a program that trains on `device`.
int program(int argc, char** argv, const std::string& device, const TrainSegment& train);

}  // namespace growth
