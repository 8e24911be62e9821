// SPDX-License-Identifier: MIT
// The contract of a backend: `template <> struct Backend<D>` has one static function per operation below, on raw
// pointers to contiguous row-major memory of device D. Shapes are checked by ops/, so a backend only computes.
// Cpu is specialised in backend/cpu.hpp (float, double), Cuda in backend/cuda.cuh (float, bf16).
// "+=" means: add to what is there; "=" means: overwrite, the memory may be uninitialised.
#pragma once
#include <concepts>
#include <cstdint>
#include <type_traits>

#include <modelgrow/core/device.hpp>
#include <modelgrow/core/dtype.hpp>

namespace modelgrow::inline v0 {

template <class D>
struct Backend;

/// A device for which a backend header has been included.
template <class D>
concept HasBackend = Device<D> && requires {
  sizeof(Backend<D>);
};

/// Type of saved statistics (mean, rstd, lse) and optimizer moments: 16-bit storage keeps them in float.
template <class T>
using Stat = std::conditional_t<std::same_as<T, double>, double, float>;

/// Whether a result replaces the memory it is written to or is added to it.
enum class Write { overwrite, add };

/// y[rows, out] = x[rows, in] w[out, in]^T + b[out]; every matrix contiguous.
struct LinearSize {
  std::int64_t rows, in, out;
};
// template <class T> static void linear(LinearSize, const T* x, const T* w, const T* b /*nullable*/, T* y);
// template <class T> static void linear_dx(LinearSize, const T* dy, const T* w, T* dx, Write);
// template <class T> static void linear_dw(LinearSize, const T* dy, const T* x, T* dw /*+=*/);
// template <class T> static void column_sum(rows, columns, const T* x, T* sum /*+=*/);                 bias gradient

/// Elementwise functions of n values.
enum class Activation { gelu_tanh, silu };
// template <class T> static void activation(Activation, n, const T* x, T* y);
// template <class T> static void activation_dx(Activation, n, const T* x, const T* dy, T* dx /*=*/);
// template <class T> static void add(n, const T* a, const T* b, T* y);                                 y may be a or b
// template <class T> static void fill(n, T value, T* y);

/// x[batch, tokens, channels], modulated by vectors of m[batch, slots, channels] (adaLN).
struct ModulateSize {
  std::int64_t batch, tokens, channels, slots;
};
// y = LN(x) * (1 + m[:, scale]) + m[:, shift]; mean and rstd [batch * tokens] are saved for the backward pass.
// template <class T> static void norm_modulate(ModulateSize, double eps, const T* x, const T* m, int shift, int scale,
//                                              T* y, Stat<T>* mean, Stat<T>* rstd);
// template <class T> static void norm_modulate_dx(ModulateSize, const T* x, const T* m, int shift, int scale,
//                                              const Stat<T>* mean, const Stat<T>* rstd, const T* dy, T* dx /*=*/, T*
//                                              dm /*+=*/);
// y = x + m[:, gate] * branch.
// template <class T> static void gate_residual(ModulateSize, const T* x, const T* branch, const T* m, int gate, T* y);
// template <class T> static void gate_residual_dx(ModulateSize, const T* branch, const T* m, int gate, const T* dy,
//                                              T* dbranch /*=*/, T* dm /*+=*/);                        dx is dy itself
// m[b, k, c] = table[k, c] + t[b, k * t_slot_stride + c]; t_slot_stride is channels (own vector a slot) or 0 (shared).
// template <class T> static void modulation(ModulateSize, t_slot_stride, const T* table, const T* t, T* m);
// template <class T> static void modulation_dx(ModulateSize, t_slot_stride, const T* dm, T* dtable /*+=*/, T* dt
// /*=*/);

// y = LN(x) * gain + bias over the last dimension; gain and bias may both be null (no affine).
// template <class T> static void layer_norm(rows, channels, double eps, const T* x, const T* gain, const T* bias, T* y,
//                                           Stat<T>* mean, Stat<T>* rstd);
// template <class T> static void layer_norm_dx(rows, channels, const T* x, const T* gain, const Stat<T>* mean, const
// Stat<T>* rstd,
//                                           const T* dy, T* dx /*=*/, T* dgain /*+=, nullable*/, T* dbias /*+=*/);

// y[o, r, c] = x[o, r, c] + table[r, c] with outer o, and each table row repeated `repeat` times along r:
// y[(o * rows + r) * repeat + s, c] = x[same] + table[r, c].
// template <class T> static void add_table(outer, rows, repeat, channels, const T* x, const T* table, T* y);

/// Many small softmax attentions over strided tokens: problem (b, g, h) has queries at q + b*batch + g*group +
/// i*token + h*head_dim. Spatial attention is (batch B, groups T), temporal is (batch B, groups S) on the same
/// [B,T,S,3C] memory, cross-attention has one group. Scale is 1/sqrt(head_dim).
struct AttentionSize {
  struct Strides {
    std::int64_t batch, group, token;  // in elements
  };
  std::int64_t batch, groups, queries, keys, heads, head_dim;
  Strides q, kv, out;
};
// lengths[batch] (device memory, nullable) is the number of valid keys of a batch entry; others take no part, and
// their dk, dv are zero. lse[batch, groups, heads, queries] is saved. Never materialises queries x keys above a block.
// template <class T> static void attention(AttentionSize, const std::int32_t* lengths, const T* q, const T* k,
//                                          const T* v, T* out, Stat<T>* lse);
// template <class T> static void attention_dx(AttentionSize, const std::int32_t* lengths, const T* q, const T* k,
//                                          const T* v, const T* out, const Stat<T>* lse, const T* dout,
//                                          T* dq, T* dk, T* dv /*= , strides as q, kv*/);

/// Convolution over frames of x[batch, frames, space, channels]; weight [out, in or 1, kernel] as in Conv1d.
struct TemporalConvSize {
  std::int64_t batch, frames, space, channels_in, channels_out, kernel;
  std::int64_t first_tap;  // frame offset of tap 0: -(kernel - 1) causal, -(kernel - 1) / 2 centred; zeros outside
  enum class Kind { depthwise, dense } kind;
};
// template <class T> static void temporal_conv(TemporalConvSize, const T* x, const T* w, const T* b, T* y);
// template <class T> static void temporal_conv_dx(TemporalConvSize, const T* dy, const T* w, T* dx /*=*/);
// template <class T> static void temporal_conv_dw(TemporalConvSize, const T* dy, const T* x, T* dw /*+=*/, T* db
// /*+=*/);

/// Clips x[batch, channels, frames, height, width] cut into patches of pt x ph x pw.
struct PatchSize {
  std::int64_t batch, channels, frames, height, width, pt, ph, pw;  // all divisible
};
enum class PatchOrder { channels_first, channels_last };  // (C,pt,ph,pw) of a Conv3d, (pt,ph,pw,C) of STDiT's output
// patches[batch, frames/pt, height/ph * width/pw, C*pt*ph*pw]
// template <class T> static void patchify(PatchSize, PatchOrder, const T* x, T* patches);
// template <class T> static void unpatchify(PatchSize, PatchOrder, const T* patches, T* x);

// features[n, width] = [cos(t f_0..), sin(t f_0..)], f_j = 10000^(-j / (width/2)), computed in float32 as upstream
// does. template <class T> static void time_features(n, width, const T* t, T* features); y[i] = table[ids[i]]; rows of
// `width`. template <class T> static void embedding(n, width, const std::int32_t* ids, const T* table, T* y); template
// <class T> static void embedding_dx(n, width, const std::int32_t* ids, const T* dy, T* dtable /*+=*/); y[b, l] =
// drop[b] ? table[l] : x[b, l]; in the backward pass dropped entries give zero. template <class T> static void
// replace_dropped(batch, tokens, channels, const std::int32_t* drop, const T* table /*nullable: zeros*/,
//                                          const T* x, T* y);
// loss[0] = mean (p - t)^2; deterministic order of summation.
// template <class T> static void mse(n, const T* prediction, const T* target, T* loss);
// template <class T> static void mse_dx(n, const T* prediction, const T* target, const T* dloss, T* dprediction /*=*/);

/// One fused AdamW step over a tensor seen as [rows, columns] with decoupled decay (Loshchilov & Hutter 2019).
/// Multipliers: lr per column, eps per row (length 1: the same for all), see grow/optimizer_state.hpp.
struct AdamWStep {
  double lr, beta1, beta2, eps, decay;  // decay is lr * weight_decay, unscaled by the multipliers
  double correction1, correction2;      // 1 - beta^step of this tensor
  double gradient_scale;                // clipping factor
};
// template <class T> static void adamw(AdamWStep, rows, columns, const float* lr_columns, lr_n, const float* eps_rows,
//                                      eps_n, T* w, T* gradient /*zeroed*/, Stat<T>* m, Stat<T>* v);
// template <class T> static double sum_of_squares(n, const T* x);          deterministic
// template <class T> static void lerp(n, double weight, const T* x, T* y);  y += weight * (x - y)

}  // namespace modelgrow::inline v0
