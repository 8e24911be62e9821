// SPDX-License-Identifier: MIT
// The contract of a backend: `template <> struct Backend<D>` has, for each element type T it supports, the static
// function templates that BackendContract<T> declares. Cpu (float, double) is in backend/cpu.hpp, Cuda (float, bf16)
// in backend/cuda.cuh. Shapes are checked by ops/, so a backend only computes.
#pragma once
#include <concepts>
#include <cstdint>
#include <span>

#include <modelgrow/core/dequantise.hpp>
#include <modelgrow/core/device.hpp>
#include <modelgrow/core/dtype.hpp>
#include <modelgrow/core/stat.hpp>

namespace modelgrow::inline v0 {

template <class D>
struct Backend;

/// A device for which a backend header has been included.
template <class D>
concept HasBackend = Device<D> && requires {
  sizeof(Backend<D>);
};

/// A backend that has the functions of InferenceContract.
template <class D>
concept HasInference = HasBackend<D> && requires {
  Backend<D>::template rms_norm<float>;  // with an & before it nvcc 13 finds no such function
};

/// Whether a result replaces the memory it is written to or is added to it.
enum class Write { overwrite, add };

/// x[rows, in], w[out, in], y[rows, out]; every matrix contiguous.
struct LinearSize {
  std::int64_t rows, in, out;
};

/// Elementwise functions.
enum class Activation { gelu_tanh, silu };

/// x[batch, tokens, channels], modulated by vectors of m[batch, slots, channels] (adaLN).
struct ModulateSize {
  std::int64_t batch, tokens, channels, slots;
};

/// In place of a slot: the branch is added as it is.
inline constexpr int no_gate = -1;

/// Many softmax attentions over strided tokens: problem (b, g, h) has queries at q + b*batch + g*group + i*token +
/// h*head_dim. Spatial attention is (batch B, groups T), temporal is (batch B, groups S) on the same [B,T,S,3C] memory,
/// cross-attention has one group. Scale is 1/sqrt(head_dim).
struct AttentionSize {
  struct Strides {
    std::int64_t batch, group, token;  // in elements
  };
  std::int64_t batch, groups, queries, keys, heads, head_dim;
  Strides q, kv, out;
};

/// Convolution over frames of x[batch, frames, space, channels_in]; w[out, in or 1, kernel] as in Conv1d.
struct TemporalConvSize {
  std::int64_t batch, frames, space, channels_in, channels_out, kernel;
  std::int64_t first_tap;  // frame offset of tap 0: -(kernel - 1) causal, -(kernel - 1) / 2 centred; zeros outside
  enum class Kind { depthwise, dense } kind;
};

/// Clips x[batch, channels, frames, height, width] cut into patches of pt x ph x pw, which divide them;
/// patches[batch, frames/pt, height/ph * width/pw, channels*pt*ph*pw].
struct PatchSize {
  std::int64_t batch, channels, frames, height, width, pt, ph, pw;
};
/// Order inside a patch: (C,pt,ph,pw) of a Conv3d, or (pt,ph,pw,C) of STDiT's output.
enum class PatchOrder { channels_first, channels_last };

/// x[size], to be added to a sum.
template <class S>
struct Addend {
  std::int64_t size;
  const S* x;
  S* sum;
};

/// One AdamW step with decoupled decay (Loshchilov & Hutter 2019): what all tensors have in common.
struct AdamWStep {
  double beta1, beta2;
  double average_rate;  // average += average_rate * (weight - average)
};

/// What an AdamW step does to one tensor, seen as w[rows, columns]: the learning rate counts lr_columns[c] times, eps
/// eps_rows[r] times (grow/optimizer_state.hpp says why); absent means 1. `master` holds the weights in float when T
/// has 16 bits, else it is null: the step changes the master, and w becomes the master rounded to nearest even.
template <class T>
struct AdamWUpdate {
  using S = Stat<T>;
  double lr, eps, decay;            // decay is lr * weight_decay; multipliers do not change it
  double correction1, correction2;  // 1 - beta^step of this tensor
  std::int64_t rows, columns;
  const S *lr_columns /*?*/, *eps_rows /*?*/;
  T* w;
  S *master /*?*/, *gradient, *m, *v;
  S* average /*?*/;
};

/// Which keys a query sees: those up to its own position, or all.
enum class Sight { causal, all };

/// Attention inside sequences that lie one behind the other without padding: sequence i has tokens [begins[i],
/// begins[i + 1]). q[tokens, heads, head_dim], k and v[tokens, kv_heads, head_dim]; query head h uses key head
/// h / (heads / kv_heads). A bias[heads, 2 * reach + 1] is indexed by the distance (key - query) + reach. If `prefix`
/// is not 0, the first sequence has that many tokens and all others continue it: they see its keys before their own.
struct PackedAttentionSize {
  std::int64_t sequences, heads, kv_heads, head_dim, reach, prefix;
  double scale;
  Sight sight;
};

/// Which two values of a head turn together: c and c + head_dim / 2, or 2c and 2c + 1.
enum class RotaryPairs { halves, neighbours };

/// The functions of a backend, declared and never defined; tests/support/backend_contract.hpp holds a backend to them.
/// Pointers are contiguous row-major memory of the device. "=" overwrites, the memory may be uninitialised; "+=" adds.
/// Sums of gradients are in S: added in 16 bits, what is below 1/256 of a sum would be lost.
/// A pointer marked ? may be null: an absent input, or a gradient that nobody wants. Elementwise results may be the
/// memory of an input. Results do not depend on the number of threads or on timing.
template <class T>
struct BackendContract {
  using Size = std::int64_t;
  using S = Stat<T>;

  // y = x w^T + b, and sum[c] += sum_r x[r, c]; db is that of dy.
  static void linear(LinearSize, const T* x, const T* w, const T* b /*?*/, T* y /*=*/);
  static void linear_dx(LinearSize, const T* dy, const T* w, T* dx, Write);
  static void linear_dw(LinearSize, const T* dy, const T* x, S* dw /*+= ?*/, S* db /*= ?*/);
  static void column_sum(Size rows, Size columns, const T* x, S* sum /*+=*/);
  // y = f(inner) with inner = x w^T + b, kept where it is wanted; then, for a linear map of y, the gradient of inner:
  // dinner = (dy w) f'(inner). 16-bit backends may round once: y may be that of an inner that was not rounded.
  static void linear_activation(LinearSize, Activation f, const T* x, const T* w, const T* b /*?*/, T* inner /*= ?*/,
                                T* y /*=*/);
  static void activation_linear_dx(LinearSize, Activation f, const T* dy, const T* w, const T* inner, T* dinner /*=*/);

  // Elementwise over n values. lerp: y += weight * (x - y); axpy: y += factor * x; collect: sum += x, for many sums
  // that do not overlap too; narrow: y = x.
  static void activation(Activation, Size n, const T* x, T* y /*=*/);
  static void activation_dx(Activation, Size n, const T* x, const T* dy, T* dx /*=*/);
  static void add(Size n, const T* a, const T* b, T* y /*=*/);
  static void fill(Size n, T value, T* y /*=*/);
  static void lerp(Size n, double weight, const T* x, T* y);
  static void axpy(Size n, double factor, const T* x, T* y);
  static void collect(Size n, const T* x, S* sum);
  static void collect_all(std::span<const Addend<S>>);
  static void narrow(Size n, const S* x, T* y /*=*/);

  // y = LN(x) * (1 + m[:, scale]) + m[:, shift]; mean and rstd [batch * tokens] are kept for the backward pass.
  static void norm_modulate(ModulateSize, double eps, const T* x, const T* m, int shift, int scale, T* y /*=*/,
                            S* mean /*=*/, S* rstd /*=*/);
  static void norm_modulate_dx(ModulateSize, const T* x, const T* m, int shift, int scale, const S* mean, const S* rstd,
                               const T* dy, T* dx /*?*/, Write, S* dm /*+= ?*/);
  // sum = x + m[:, gate] * branch, or x + branch with no_gate, and y, mean and rstd are those of norm_modulate of sum.
  static void residual_norm_modulate(ModulateSize, double eps, const T* x, const T* branch, const T* m, int gate,
                                     int shift, int scale, T* sum /*=*/, T* y /*=*/, S* mean /*=*/, S* rstd /*=*/);
  // y = x + m[:, gate] * branch; the gradient of x is dy.
  static void gate_residual(ModulateSize, const T* x, const T* branch, const T* m, int gate, T* y /*=*/);
  static void gate_residual_dx(ModulateSize, const T* branch, const T* m, int gate, const T* dy, T* dbranch /*= ?*/,
                               S* dm /*+= ?*/);
  // y[r, h, i] = x[r, h, i] * tanh(gate[h]) for rows of heads * head_dim values.
  static void head_gate(Size rows, Size heads, Size head_dim, const T* x, const T* gate, T* y /*=*/);
  static void head_gate_dx(Size rows, Size heads, Size head_dim, const T* x, const T* gate, const T* dy, T* dx /*= ?*/,
                           S* dgate /*+= ?*/);
  // m[b, i, k, c] = tables[i][k, c] + t[b, k * slot_stride + c]; slot_stride is channels (a vector a slot) or 0
  // (shared). The size has the slots of one table; its `tokens` is not used. dt is summed from the last table on.
  static void modulation(ModulateSize, Size slot_stride, std::span<const T* const> tables, const T* t, T* m /*=*/);
  static void modulation_dx(ModulateSize, Size slot_stride, const T* dm, std::span<S* const> dtables /*+= ?*/,
                            T* dt /*?*/, Write);

  // y = LN(x) * gain + bias over x[rows, channels]; gain and bias are both null or both given.
  static void layer_norm(Size rows, Size channels, double eps, const T* x, const T* gain /*?*/, const T* bias /*?*/,
                         T* y /*=*/, S* mean /*=*/, S* rstd /*=*/);
  static void layer_norm_dx(Size rows, Size channels, const T* x, const T* gain /*?*/, const S* mean, const S* rstd,
                            const T* dy, T* dx /*?*/, Write, S* dgain /*+= ?*/, S* dbias /*+= ?*/);

  // y[(o * rows + r) * repeat + s, c] = x[same] + table[r, c] for o in [0, outer), s in [0, repeat).
  static void add_table(Size outer, Size rows, Size repeat, Size channels, const T* x, const T* table, T* y /*=*/);

  // lengths[batch] is the number of valid keys of a batch entry (less than 1 means 1, more than `keys` all); other keys
  // take no part and get zero gradients. lse[batch, groups, heads, queries], the log of the softmax denominators, is
  // kept. Never holds queries x keys values. dq has the strides of q; dk and dv those of k and v.
  static void attention(const AttentionSize&, const std::int32_t* lengths /*?*/, const T* q, const T* k, const T* v,
                        T* out /*=*/, S* lse /*=*/);
  static void attention_dx(const AttentionSize&, const std::int32_t* lengths /*?*/, const T* q, const T* k, const T* v,
                           const T* out, const S* lse, const T* dout, T* dq /*=*/, T* dk /*=*/, T* dv /*=*/);
  // Two attentions of the same queries become one softmax over the keys of both, in which those of the other count
  // weight[0] times (none, where that is below 0 or no number). out becomes the joint output, and lse and lse_other the
  // denominators with which attention_dx (and the joint output) gives the joint gradients of each. `other` has the
  // strides of out.
  static void join_attention(const AttentionSize&, const T* weight, const T* other, T* out, S* lse, S* lse_other);

  static void temporal_conv(const TemporalConvSize&, const T* x, const T* w, const T* b /*?*/, T* y /*=*/);
  static void temporal_conv_dx(const TemporalConvSize&, const T* dy, const T* x, const T* w, T* dx /*= ?*/,
                               S* dw /*+= ?*/, S* db /*+= ?*/);

  static void patchify(const PatchSize&, PatchOrder, const T* x, T* patches /*=*/);
  static void unpatchify(const PatchSize&, PatchOrder, const T* patches, T* x /*=*/);

  // features[n, width] = [cos(t f_0..), sin(t f_0..)], f_j = 10000^(-j / (width/2)), in float32 as upstream does.
  static void time_features(Size n, Size width, const Stat<T>* t, T* features /*=*/);
  // y[i] = table[ids[i]], rows of `width`.
  static void embedding(Size n, Size width, const std::int32_t* ids, const T* table, T* y /*=*/);
  static void embedding_dx(Size n, Size width, const std::int32_t* ids, const T* dy, S* dtable /*+=*/);
  // y[b, l] = drop[b] ? table[l] : x[b, l], rows of `channels`.
  static void replace_dropped(Size batch, Size tokens, Size channels, const std::int32_t* drop, const T* table,
                              const T* x, T* y /*=*/);
  static void replace_dropped_dx(Size batch, Size tokens, Size channels, const std::int32_t* drop, const T* dy,
                                 S* dtable /*+= ?*/, T* dx /*= ?*/);
  // y[b] = mean over the first lengths[b] (as in attention; all, when absent) of the tokens x[b, l], rows of
  // `channels`.
  static void masked_mean(Size batch, Size tokens, Size channels, const std::int32_t* lengths /*?*/, const T* x,
                          T* y /*=*/);
  static void masked_mean_dx(Size batch, Size tokens, Size channels, const std::int32_t* lengths /*?*/, const T* dy,
                             T* dx /*=*/);

  // loss[0] = mean (prediction - target)^2 over n values.
  static void mse(Size n, const T* prediction, const T* target, T* loss /*=*/);
  static void mse_dx(Size n, const T* prediction, const T* target, const T* dloss, T* dprediction /*=*/);

  // sum[0] += the squares of all values of all tensors.
  static void sum_of_squares(std::span<const std::span<const S>> tensors, double* sum);
  // scale[0] = what brings a gradient with that sum of squares to a norm of at most `longest`; no number if the sum is
  // not finite.
  static void clipping(double longest, const double* sum, S* scale /*=*/);
  // Gradients are multiplied by scale[0], and set to zero behind the step. A scale that is no number leaves everything
  // as it is.
  static void adamw(const AdamWStep&, const S* scale, std::span<const AdamWUpdate<T>>);
};

/// The two operations that end in sums over tokens, with those sums: here nothing waits. A backend that rather adds up
/// many at once specialises it, and what goes to dm is not there before add_up().
template <class T, Device D>
class LaterSums {
 public:
  void norm_modulate_dx(ModulateSize s, auto... operands) { Backend<D>::norm_modulate_dx(s, operands...); }
  void gate_residual_dx(ModulateSize s, auto... operands) { Backend<D>::gate_residual_dx(s, operands...); }
  void add_up() {}
};

/// What language models need besides: forward only. Backend<Cpu> has them in float.
template <class T>
struct InferenceContract {
  using Size = std::int64_t;

  // y = or += x w^T + b, and rows of a table. Weights are decoded a tile at a time, each once a call for all rows of x.
  static void linear_quantised(Size rows, const QuantisedMatrix& w, const T* x, const T* b /*?*/, T* y, Write);
  static void embedding_quantised(Size n, const std::int32_t* ids, const QuantisedMatrix& table, T* y /*=*/);
  // y = x / sqrt(mean(x^2) + eps) * gain over x[rows, channels].
  static void rms_norm(Size rows, Size channels, double eps, const T* x, const T* gain, T* y /*=*/);
  // x = x / 2 * (1 + erf(x / sqrt(2))).
  static void gelu(Size n, T* x);
  // gate = f(gate) * up.
  static void gated(Activation f, Size n, const T* up, T* gate);
  // Turns every pair of x[rows, heads, head_dim] by the angle of its position; cosines and sines
  // [positions, head_dim / 2].
  static void rotate(Size rows, Size heads, Size head_dim, RotaryPairs, const std::int32_t* positions, const T* cosines,
                     const T* sines, T* x);
  static void packed_attention(const PackedAttentionSize&, const Size* begins, const T* q, const T* k, const T* v,
                               const T* bias /*?*/, T* out /*=*/);
};

}  // namespace modelgrow::inline v0
