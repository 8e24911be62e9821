// SPDX-License-Identifier: MIT
// What a step gives to the grafts of a model, wherever they stand.
#pragma once
#include <modelgrow/core/graft.hpp>
#include <modelgrow/nn/caption_embedder.hpp>

namespace modelgrow::inline v0 {

/// A model fills in `caption`, `text` and `time`; grafts that embed the text once a step fill in the rest.
template <class T, Device D>
struct GraftContext {
  TextStates<T, D> caption = {};   // the first text: embedded tokens [B,L,C], lengths
  TextStates<T, D> text = {};      // of the second text encoder: states [B,L,width], lengths, which are dropped
  Var<T, D> time = {};             // [B,C], the time embedding
  Var<T, D> tokens = {};           // [B,L,C], the text as it enters the blocks
  Tensor<T, D> token_weight = {};  // [1], of these tokens in one softmax with others; undefined: they are not there
  double balance = 0;              // weight of the loss that balances the experts of mixtures
};

namespace detail {
/// Throws shape_error when a graft with attention meets a family that does not say how many heads it has.
inline const Port& with_heads(const Port& port) {
  if (port.heads.size <= 0 || port.head_dim <= 0)
    throw shape_error("port '" + port.name + "' does not say how many heads the model has; this layer needs them");
  return port;
}
}  // namespace detail

}  // namespace modelgrow::inline v0
