// SPDX-License-Identifier: MIT
// bench_growth_cuda: the same experiments on a GPU.
#include <modelgrow/cuda.cuh>

#include "program.hpp"

int main(int argc, char** argv) { return growth::program(argc, argv, "cuda", growth::train_segment<modelgrow::Cuda>); }
