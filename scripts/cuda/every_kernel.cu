// SPDX-License-Identifier: MIT
// Every kernel of the CUDA backend, for scripts/check-kernels, which looks at their machine code: nothing here runs.
#include <modelgrow/backend/cuda.cuh>

namespace {
template <class... Functions>
void instantiate(Functions...) {}

template <class T>
void all() {
  using B = modelgrow::Backend<modelgrow::Cuda>;
  instantiate(&B::linear<T>, &B::linear_dx<T>, &B::linear_dw<T>, &B::column_sum<T>, &B::linear_activation<T>,
              &B::activation_linear_dx<T>, &B::activation<T>, &B::activation_dx<T>, &B::add<T>, &B::fill<T>,
              &B::lerp<T>, &B::axpy<T>, &B::collect<T>, &B::narrow<T>, &B::norm_modulate<T>, &B::norm_modulate_dx<T>,
              &B::residual_norm_modulate<T>, &B::collect_all<T>, &B::gate_residual<T>, &B::gate_residual_dx<T>,
              &B::modulation<T>, &B::modulation_dx<T>, &B::head_gate<T>, &B::head_gate_dx<T>, &B::layer_norm<T>,
              &B::layer_norm_dx<T>, &B::add_table<T>, &B::attention<T>, &B::attention_dx<T>, &B::join_attention<T>,
              &B::temporal_conv<T>, &B::temporal_conv_dx<T>, &B::patchify<T>, &B::unpatchify<T>, &B::time_features<T>,
              &B::embedding<T>, &B::embedding_dx<T>, &B::replace_dropped<T>, &B::replace_dropped_dx<T>,
              &B::masked_mean<T>, &B::masked_mean_dx<T>, &B::mse<T>, &B::mse_dx<T>, &B::sum_of_squares<T>,
              &B::clipping<T>, &B::adamw<T>);
}
}  // namespace

void every_kernel() {
  all<float>();
  all<modelgrow::bf16>();
}
