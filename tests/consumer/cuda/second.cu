// SPDX-License-Identifier: MIT
// The other translation unit, through nvcc, with the device's backend: see first.cpp.
#include <modelgrow/cuda.cuh>
#include <modelgrow/expand.hpp>

modelgrow::Plan plan_of(const modelgrow::Schema& schema) {
  return modelgrow::plan(schema, modelgrow::InsertBlocks{.every = 1}, modelgrow::Net2Wider{.space = "ffn", .to = 96});
}
