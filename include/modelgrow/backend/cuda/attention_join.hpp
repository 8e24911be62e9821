// SPDX-License-Identifier: MIT
// Two attentions of the same queries as one softmax over the keys of both.
#pragma once
#include <modelgrow/backend/cuda/attention_tiles.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// A warp for each query of each problem; the keys of the other attention count weight[0] times.
template <class T>
struct JoinAttention {
  AttentionSize size;
  const T *weight, *other;
  T* out;
  Stat<T>*lse, *lse_other;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    using A = Stat<T>;
    const AttentionProblem problem = AttentionProblem::of(size, i / size.queries);
    const Index at = problem.offset(size, size.out) + i % size.queries * size.out.token;
    const A a = lse[i], bias = dev.log(greatest(A(0), dev.widen(weight[0]))), b = lse_other[i] + bias;
    const A lead = b - a;  // minus infinity where the weight is 0
    const A share = A(1) / (A(1) + dev.exp(-lead));
    for (Index c = lane(dev); c < size.head_dim; c += warp_size) {
      const A own = dev.widen(out[at + c]);
      out[at + c] = dev.template narrow<T>(own + (dev.widen(other[at + c]) - own) * share);
    }
    dev.sync_warp();
    if (lane(dev) > 0) return;
    const A joint = greatest(a, b) + dev.log(A(1) + dev.exp(lead < A(0) ? lead : -lead));
    lse[i] = joint;
    lse_other[i] = joint - bias;
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
