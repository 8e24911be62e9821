// SPDX-License-Identifier: MIT
// The other translation unit: see first.cpp.
#include <modelgrow/modelgrow.hpp>

modelgrow::Plan plan_of(const modelgrow::Schema& schema) {
  return modelgrow::plan(schema, modelgrow::InsertBlocks{.every = 1}, modelgrow::Net2Wider{.space = "ffn", .to = 96});
}
