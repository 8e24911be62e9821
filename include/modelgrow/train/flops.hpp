// SPDX-License-Identifier: MIT
// The floating-point operations of a training step, counted by running it on a device that only counts: one code path
// for every model, exact for backward passes and recomputation, and no cost where it is not used.
#pragma once
#include <cstddef>
#include <cstdint>

#include <modelgrow/autograd/tape.hpp>

namespace modelgrow::inline v0 {

/// A device without memory whose backend counts. Contents of its tensors must not be looked at.
struct FlopCounter {
  static void* allocate(std::size_t) { return &counted(); }  // any address that is not null
  static void release(void*) noexcept {}
  static void zero(void*, std::size_t) {}
  static void copy(void*, const void*, std::size_t) {}
  static void from_host(void*, const void*, std::size_t) {}
  static void to_host(void*, const void*, std::size_t) {}

  /// Operations counted on this thread so far.
  static double& counted() {
    thread_local double flops = 0.0;
    return flops;
  }
};

/// Counts multiplications and additions of matrix products, attention and convolution, as papers do; a multiply-add is
/// two. Operations that only move or scale memory count nothing.
template <>
struct Backend<FlopCounter> {
  using Size = std::int64_t;
  static void add_up(double multiply_adds) { FlopCounter::counted() += 2.0 * multiply_adds; }
  static double product(const LinearSize& s) { return double(s.rows) * double(s.in) * double(s.out); }
  static double scores(const AttentionSize& s) {
    return double(s.batch) * double(s.groups) * double(s.heads) * double(s.queries) * double(s.keys) *
           double(s.head_dim);
  }
  static double taps(const TemporalConvSize& s) {
    const double in = s.kind == TemporalConvSize::Kind::depthwise ? 1.0 : double(s.channels_in);
    return double(s.batch) * double(s.frames) * double(s.space) * double(s.channels_out) * in * double(s.kernel);
  }

  static void linear(const LinearSize& s, auto&&...) { add_up(product(s)); }
  static void linear_dx(const LinearSize& s, auto&&...) { add_up(product(s)); }
  static void linear_dw(const LinearSize& s, const auto*, const auto*, const auto* dw, auto&&) {
    if (dw) add_up(product(s));
  }
  static void linear_activation(const LinearSize& s, auto&&...) { add_up(product(s)); }
  static void activation_linear_dx(const LinearSize& s, auto&&...) { add_up(product(s)); }
  static void attention(const AttentionSize& s, auto&&...) { add_up(2 * scores(s)); }
  // Scores again, then the gradients of probabilities, values, queries and keys.
  static void attention_dx(const AttentionSize& s, auto&&...) { add_up(5 * scores(s)); }
  static void join_attention(auto&&...) {}
  static void temporal_conv(const TemporalConvSize& s, auto&&...) { add_up(taps(s)); }
  static void temporal_conv_dx(const TemporalConvSize& s, const auto*, const auto*, const auto*, auto* dx, auto* dw,
                               auto*) {
    if (dx) add_up(taps(s));
    if (dw) add_up(taps(s));
  }

  static void column_sum(auto&&...) {}
  static void activation(auto&&...) {}
  static void activation_dx(auto&&...) {}
  static void add(auto&&...) {}
  static void fill(auto&&...) {}
  static void lerp(auto&&...) {}
  static void axpy(auto&&...) {}
  static void collect(auto&&...) {}
  template <class>
  static void collect_all(auto&&...) {}
  static void narrow(auto&&...) {}
  static void norm_modulate(auto&&...) {}
  static void norm_modulate_dx(auto&&...) {}
  static void residual_norm_modulate(auto&&...) {}
  static void gate_residual(auto&&...) {}
  static void gate_residual_dx(auto&&...) {}
  static void head_gate(auto&&...) {}
  static void head_gate_dx(auto&&...) {}
  template <class>
  static void modulation(auto&&...) {}
  template <class>
  static void modulation_dx(auto&&...) {}
  static void layer_norm(auto&&...) {}
  static void layer_norm_dx(auto&&...) {}
  static void add_table(auto&&...) {}
  static void patchify(auto&&...) {}
  static void unpatchify(auto&&...) {}
  static void time_features(auto&&...) {}
  static void embedding(auto&&...) {}
  static void embedding_dx(auto&&...) {}
  static void replace_dropped(auto&&...) {}
  static void replace_dropped_dx(auto&&...) {}
  static void masked_mean(auto&&...) {}
  static void masked_mean_dx(auto&&...) {}
  static void mse(auto&&...) {}
  static void mse_dx(auto&&...) {}
  template <class>
  static void sum_of_squares(auto&&...) {}
  template <class>
  static void clipping(auto&&...) {}
  template <class>
  static void adamw(auto&&...) {}
};

/// Operations of one forward and backward pass of loss(tape) -> Var, for a model of type Model<T, FlopCounter>.
template <class T = float, class Loss>
double training_flops(Loss&& loss) {
  const double before = FlopCounter::counted();
  Tape<T, FlopCounter> tape;
  tape.backward(loss(tape));
  return FlopCounter::counted() - before;
}

/// Operations of one forward pass without gradients.
template <class T = float, class Loss>
double inference_flops(Loss&& loss) {
  const double before = FlopCounter::counted();
  Tape<T, FlopCounter> tape(Tape<T, FlopCounter>::Mode::infer);
  loss(tape);
  return FlopCounter::counted() - before;
}

}  // namespace modelgrow::inline v0
