// SPDX-License-Identifier: MIT
// Holds a backend to BackendContract: every function exists with exactly the declared type.
#pragma once
#include <concepts>

#include <modelgrow/backend/backend.hpp>

namespace modelgrow::testing {

/// Fails to compile, naming the function, unless Backend<D> implements BackendContract<T>.
template <class D, class T>
constexpr bool implements_contract() {
  using B = Backend<D>;
  using C = BackendContract<T>;
  static_assert(std::same_as<decltype(&B::template linear<T>), decltype(&C::linear)>);
  static_assert(std::same_as<decltype(&B::template linear_dx<T>), decltype(&C::linear_dx)>);
  static_assert(std::same_as<decltype(&B::template linear_dw<T>), decltype(&C::linear_dw)>);
  static_assert(std::same_as<decltype(&B::template column_sum<T>), decltype(&C::column_sum)>);
  static_assert(std::same_as<decltype(&B::template linear_activation<T>), decltype(&C::linear_activation)>);
  static_assert(std::same_as<decltype(&B::template activation_linear_dx<T>), decltype(&C::activation_linear_dx)>);
  static_assert(std::same_as<decltype(&B::template activation<T>), decltype(&C::activation)>);
  static_assert(std::same_as<decltype(&B::template activation_dx<T>), decltype(&C::activation_dx)>);
  static_assert(std::same_as<decltype(&B::template add<T>), decltype(&C::add)>);
  static_assert(std::same_as<decltype(&B::template fill<T>), decltype(&C::fill)>);
  static_assert(std::same_as<decltype(&B::template lerp<T>), decltype(&C::lerp)>);
  static_assert(std::same_as<decltype(&B::template axpy<T>), decltype(&C::axpy)>);
  static_assert(std::same_as<decltype(&B::template collect<T>), decltype(&C::collect)>);
  static_assert(std::same_as<decltype(&B::template collect_all<T>), decltype(&C::collect_all)>);
  static_assert(std::same_as<decltype(&B::template narrow<T>), decltype(&C::narrow)>);
  static_assert(std::same_as<decltype(&B::template norm_modulate<T>), decltype(&C::norm_modulate)>);
  static_assert(std::same_as<decltype(&B::template norm_modulate_dx<T>), decltype(&C::norm_modulate_dx)>);
  static_assert(std::same_as<decltype(&B::template residual_norm_modulate<T>), decltype(&C::residual_norm_modulate)>);
  static_assert(std::same_as<decltype(&B::template gate_residual<T>), decltype(&C::gate_residual)>);
  static_assert(std::same_as<decltype(&B::template gate_residual_dx<T>), decltype(&C::gate_residual_dx)>);
  static_assert(std::same_as<decltype(&B::template modulation<T>), decltype(&C::modulation)>);
  static_assert(std::same_as<decltype(&B::template modulation_dx<T>), decltype(&C::modulation_dx)>);
  static_assert(std::same_as<decltype(&B::template head_gate<T>), decltype(&C::head_gate)>);
  static_assert(std::same_as<decltype(&B::template head_gate_dx<T>), decltype(&C::head_gate_dx)>);
  static_assert(std::same_as<decltype(&B::template layer_norm<T>), decltype(&C::layer_norm)>);
  static_assert(std::same_as<decltype(&B::template layer_norm_dx<T>), decltype(&C::layer_norm_dx)>);
  static_assert(std::same_as<decltype(&B::template add_table<T>), decltype(&C::add_table)>);
  static_assert(std::same_as<decltype(&B::template attention<T>), decltype(&C::attention)>);
  static_assert(std::same_as<decltype(&B::template attention_dx<T>), decltype(&C::attention_dx)>);
  static_assert(std::same_as<decltype(&B::template join_attention<T>), decltype(&C::join_attention)>);
  static_assert(std::same_as<decltype(&B::template temporal_conv<T>), decltype(&C::temporal_conv)>);
  static_assert(std::same_as<decltype(&B::template temporal_conv_dx<T>), decltype(&C::temporal_conv_dx)>);
  static_assert(std::same_as<decltype(&B::template patchify<T>), decltype(&C::patchify)>);
  static_assert(std::same_as<decltype(&B::template unpatchify<T>), decltype(&C::unpatchify)>);
  static_assert(std::same_as<decltype(&B::template time_features<T>), decltype(&C::time_features)>);
  static_assert(std::same_as<decltype(&B::template embedding<T>), decltype(&C::embedding)>);
  static_assert(std::same_as<decltype(&B::template embedding_dx<T>), decltype(&C::embedding_dx)>);
  static_assert(std::same_as<decltype(&B::template replace_dropped<T>), decltype(&C::replace_dropped)>);
  static_assert(std::same_as<decltype(&B::template replace_dropped_dx<T>), decltype(&C::replace_dropped_dx)>);
  static_assert(std::same_as<decltype(&B::template masked_mean<T>), decltype(&C::masked_mean)>);
  static_assert(std::same_as<decltype(&B::template masked_mean_dx<T>), decltype(&C::masked_mean_dx)>);
  static_assert(std::same_as<decltype(&B::template mse<T>), decltype(&C::mse)>);
  static_assert(std::same_as<decltype(&B::template mse_dx<T>), decltype(&C::mse_dx)>);
  static_assert(std::same_as<decltype(&B::template sum_of_squares<T>), decltype(&C::sum_of_squares)>);
  static_assert(std::same_as<decltype(&B::template clipping<T>), decltype(&C::clipping)>);
  static_assert(std::same_as<decltype(&B::template adamw<T>), decltype(&C::adamw)>);
  return true;
}

/// The same for InferenceContract<T>.
template <class D, class T>
constexpr bool implements_inference() {
  using B = Backend<D>;
  using C = InferenceContract<T>;
  static_assert(std::same_as<decltype(&B::template linear_quantised<T>), decltype(&C::linear_quantised)>);
  static_assert(std::same_as<decltype(&B::template embedding_quantised<T>), decltype(&C::embedding_quantised)>);
  static_assert(std::same_as<decltype(&B::template rms_norm<T>), decltype(&C::rms_norm)>);
  static_assert(std::same_as<decltype(&B::template gelu<T>), decltype(&C::gelu)>);
  static_assert(std::same_as<decltype(&B::template gated<T>), decltype(&C::gated)>);
  static_assert(std::same_as<decltype(&B::template rotate<T>), decltype(&C::rotate)>);
  static_assert(std::same_as<decltype(&B::template packed_attention<T>), decltype(&C::packed_attention)>);
  return true;
}

}  // namespace modelgrow::testing
