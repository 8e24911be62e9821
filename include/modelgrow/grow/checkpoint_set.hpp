// SPDX-License-Identifier: MIT
// A checkpoint as growth reads it.
#pragma once
#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/grow/outputs.hpp>

namespace modelgrow::inline v0::detail {

inline TensorSet set_of(const Checkpoint& c) {
  return TensorSet(c.tensors(), c.weights_path().string(), [&c](const TensorView& t) { c.release(t); });
}

}  // namespace modelgrow::inline v0::detail
