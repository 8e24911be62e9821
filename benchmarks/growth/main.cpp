// SPDX-License-Identifier: MIT
// bench_growth: growth benchmarks on the CPU.
#include "program.hpp"

int main(int argc, char** argv) { return growth::program(argc, argv, "cpu", growth::train_on_cpu); }
