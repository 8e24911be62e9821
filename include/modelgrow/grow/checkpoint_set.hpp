// SPDX-License-Identifier: MIT
// A checkpoint as growth reads it.
#pragma once
#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/grow/outputs.hpp>

namespace modelgrow::inline v0::detail {

inline TensorSet set_of(const Checkpoint& c) {
  using Part = std::span<const std::byte>;
  return TensorSet(c.tensors(), c.weights_path().string(),
                   TensorSet::Memory{.prepare = [&c](Part part) { c.prepare(part); },
                                     .release = [&c](Part part) { c.release(part); }});
}

}  // namespace modelgrow::inline v0::detail
