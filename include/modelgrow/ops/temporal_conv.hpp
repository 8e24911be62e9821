// SPDX-License-Identifier: MIT
// Convolution over the frames of video tokens, in place on [B, T, S, C].
#pragma once
#include <array>
#include <string_view>

#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// Which frames a temporal convolution sees: only this and earlier ones, or as many on either side. Zeros lie outside.
enum class Padding { causal, centred };
constexpr auto words_of(Padding) { return std::array<std::string_view, 2>{"causal", "centred"}; }

/// x [B, T, S, I] with w [O, I, k] (dense) or [O, 1, k] with O = I (depthwise), b [O] or undefined -> [B, T, S, O].
/// Weights as in Conv1d; a centred kernel is odd. Throws shape_error.
template <class T, HasBackend D>
Var<T, D> temporal_conv(Tape<T, D>& tape, const Var<T, D>& x, const Var<T, D>& w, const Var<T, D>& b, Padding padding) {
  expect_shape("temporal_conv", "the input", x.shape(), {any_size, any_size, any_size, any_size},
               "give [batch, frames, space, channels]");
  expect_shape("temporal_conv", "the weight", w.shape(), {any_size, any_size, any_size},
               "give [out, in, kernel], or in = 1: depthwise");
  const std::int64_t in = x.dim(3), out = w.dim(0), kernel = w.dim(2);
  const bool depthwise = w.dim(1) == 1 && out == in;
  expect("temporal_conv", depthwise || w.dim(1) == in, [&] {
    return "the weight is " + to_string(w.shape()) + "; expected [*, " + std::to_string(in) + ", *] or [" +
           std::to_string(in) + ", 1, *] for the input " + to_string(x.shape());
  });
  if (b.defined()) expect_shape("temporal_conv", "the bias", b.shape(), {out}, "one value per output channel");
  expect("temporal_conv", kernel > 0 && (padding == Padding::causal || kernel % 2 == 1), [&] {
    return "the kernel has " + std::to_string(kernel) +
           " taps; expected an odd number for centred padding: use 3, 5 or causal padding";
  });
  const TemporalConvSize size{.batch = x.dim(0),
                              .frames = x.dim(1),
                              .space = x.dim(2),
                              .channels_in = in,
                              .channels_out = out,
                              .kernel = kernel,
                              .first_tap = padding == Padding::causal ? -(kernel - 1) : -(kernel - 1) / 2,
                              .kind = depthwise ? TemporalConvSize::Kind::depthwise : TemporalConvSize::Kind::dense};
  Tensor<T, D> y = tape.allocate({size.batch, size.frames, size.space, out});
  Backend<D>::temporal_conv(size, x.data(), w.data(), b.defined() ? b.data() : nullptr, y.data());
  return tape.record(std::move(y), {x, w, b}, [=, &tape](Tensor<T, D> dy) {
    Tensor<T, D> dx;
    if (x.wants_gradient()) dx = tape.allocate(x.shape());
    tape.collect(
        [&](Stat<T>* dw, Stat<T>* db) {
          Backend<D>::temporal_conv_dx(size, dy.data(), x.data(), w.data(), dx.data(), dw, db);
        },
        w, b);
    if (dx.defined()) tape.accumulate(x, std::move(dx));
  });
}

}  // namespace modelgrow::inline v0
