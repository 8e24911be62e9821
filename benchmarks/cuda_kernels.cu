// SPDX-License-Identifier: MIT
// Speed of the CUDA backend at the sizes of STDiT-XL/2 (16 frames of 1024 tokens, width 1152, 16 heads, captions of 120
// tokens): bench_cuda_kernels [ROUNDS] prints one line of JSON for the device and one for each operation.
//
// Operations take turns, so that clocks and temperature favour none; each starts with a cold second-level cache. The
// first two of a type are what the device can do: a copy, and a large product by cuBLAS. `floor_us` is the time that
// an operation's bytes and flops take at those two rates, `reached` the floor as a share of the median time.
#include <iostream>
#include <string>
#include <vector>

#include "cuda_timing.cuh"

using namespace modelgrow;
using benchmark::Case;
using benchmark::values;
using B = Backend<Cuda>;

namespace {

template <class T>
void run(const char* type, int rounds) {
  const std::int64_t frames = 16, space = 1024, width = 1152, heads = 16, ffn = 4 * width, words = 120, side = 8192;
  const std::int64_t rows = frames * space, n = rows * width, w3 = 3 * width;
  const double bytes = double(sizeof(T)) * double(n), wide = double(n), statistics = 4.0 * double(rows);
  const auto x = values<T>(n), dy = values<T>(n), hidden = values<T>(4 * n), m = values<T>(6 * width);
  const auto w = values<T>(ffn * width), qkv = values<T>(3 * n), square = values<T>(side * side);
  Tensor<T, Cuda> y({n}), h({4 * n}), dhidden({4 * n}), dqkv({3 * n}), result({side * side});
  const auto dw = values<Stat<T>>(ffn * width), dm = values<Stat<T>>(6 * width);
  Tensor<Stat<T>, Cuda> mean({rows}), rstd({rows});

  std::vector<Case> cases;
  const auto add = [&](const char* operation, double bytes, double flops, std::function<void()> run) {
    cases.push_back({operation, bytes, flops, std::move(run)});
  };
  add("copy", 8 * bytes, 0, [&] { Cuda::copy(h.data(), hidden.data(), h.bytes()); });
  const LinearSize large{.rows = side, .in = side, .out = side};
  add("product of 8192 x 8192 matrices", 0, 2.0 * double(side) * double(side) * double(side),
      [&] { B::linear<T>(large, square.data(), square.data(), nullptr, result.data()); });

  const LinearSize linear{.rows = rows, .in = width, .out = ffn};
  const double gemm_bytes = 5 * bytes + double(w.bytes()), gemm = 2 * wide * double(ffn);
  add("linear without bias", gemm_bytes, gemm, [&] { B::linear<T>(linear, x.data(), w.data(), nullptr, h.data()); });
  add("linear", gemm_bytes, gemm, [&] { B::linear(linear, x.data(), w.data(), m.data(), h.data()); });
  add("linear_dx", gemm_bytes, gemm,
      [&] { B::linear_dx(linear, hidden.data(), w.data(), y.data(), Write::overwrite); });
  add("linear_dw", gemm_bytes, gemm, [&] { B::linear_dw<T>(linear, hidden.data(), x.data(), dw.data(), nullptr); });
  add("linear_dw with that of the bias", gemm_bytes, gemm,
      [&] { B::linear_dw(linear, hidden.data(), x.data(), dw.data(), dm.data()); });
  const LinearSize back{.rows = rows, .in = ffn, .out = width};
  add("linear and gelu, kept", gemm_bytes + 4 * bytes, gemm, [&] {
    B::linear_activation(linear, Activation::gelu_tanh, x.data(), w.data(), m.data(), dhidden.data(), h.data());
  });
  add("linear_dx and gelu_dx", gemm_bytes + 4 * bytes, gemm,
      [&] { B::activation_linear_dx(back, Activation::gelu_tanh, x.data(), w.data(), hidden.data(), h.data()); });
  add("column_sum", bytes, 0, [&] { B::column_sum(rows, width, x.data(), dm.data()); });

  const AttentionSize::Strides along_frames{n, space * width, width}, across_frames{n, width, space * width};
  const auto times = [](AttentionSize::Strides s, std::int64_t by) {
    return AttentionSize::Strides{by * s.batch, by * s.group, by * s.token};
  };
  const std::int64_t d = width / heads;
  const std::vector<std::pair<std::string, AttentionSize>> attentions{
      {"attention along space",
       {1, frames, space, space, heads, d, times(along_frames, 3), times(along_frames, 3), along_frames}},
      {"attention along time",
       {1, space, frames, frames, heads, d, times(across_frames, 3), times(across_frames, 3), across_frames}},
      {"attention to captions", {1, 1, rows, words, heads, d, {0, 0, w3}, {0, 0, w3}, {0, 0, width}}}};
  std::vector<Tensor<T, Cuda>> outputs;  // the backward passes read what their forward passes wrote
  std::vector<Tensor<Stat<T>, Cuda>> denominators;
  const T *q = qkv.data(), *k = q + width, *v = k + width;
  T *dq = dqkv.data(), *dk = dq + width, *dv = dk + width;
  for (const auto& [name, size] : attentions) {
    T* const out = outputs.emplace_back(Shape{n}).data();
    Stat<T>* const lse = denominators.emplace_back(Shape{rows * heads}).data();
    const double keys = double(size.groups * size.keys * width) * double(sizeof(T)),
                 flops = 4 * wide * double(size.keys);
    add(name.c_str(), 2 * bytes + 2 * keys, flops,
        [=, size = size] { B::attention<T>(size, nullptr, q, k, v, out, lse); });
    add((name + ", backward").c_str(), 4 * bytes + 4 * keys, 2.5 * flops,
        [=, &dy, size = size] { B::attention_dx<T>(size, nullptr, q, k, v, out, lse, dy.data(), dq, dk, dv); });
  }

  const ModulateSize modulate{.batch = 1, .tokens = rows, .channels = width, .slots = 6};
  add("norm_modulate", 2 * bytes + 2 * statistics, 0,
      [&] { B::norm_modulate(modulate, 1e-6, x.data(), m.data(), 0, 1, y.data(), mean.data(), rstd.data()); });
  add("norm_modulate_dx", 3 * bytes + 2 * statistics, 0, [&] {
    B::norm_modulate_dx(modulate, x.data(), m.data(), 0, 1, mean.data(), rstd.data(), dy.data(), y.data(),
                        Write::overwrite, dm.data());
  });
  add("gate_residual", 3 * bytes, 0, [&] { B::gate_residual(modulate, x.data(), dy.data(), m.data(), 2, y.data()); });
  add("gate_residual_dx", 3 * bytes, 0,
      [&] { B::gate_residual_dx(modulate, x.data(), m.data(), 2, dy.data(), y.data(), dm.data()); });
  add("gelu", 8 * bytes, 0, [&] { B::activation(Activation::gelu_tanh, 4 * n, hidden.data(), h.data()); });
  add("gelu_dx", 12 * bytes, 0,
      [&] { B::activation_dx(Activation::gelu_tanh, 4 * n, hidden.data(), qkv.data(), h.data()); });

  using Kind = TemporalConvSize::Kind;
  for (const auto& [name, kind] : {std::pair{"depthwise", Kind::depthwise}, {"dense", Kind::dense}}) {
    const TemporalConvSize conv{1, frames, space, width, width, 3, -2, kind};
    const double flops = 6 * wide * (kind == Kind::dense ? double(width) : 1.0);
    const std::string what = std::string(name) + " temporal_conv";
    add(what.c_str(), 2 * bytes, flops,
        [&, conv] { B::temporal_conv<T>(conv, x.data(), w.data(), m.data(), y.data()); });
    add((what + "_dx").c_str(), 3 * bytes, 2 * flops,
        [&, conv] { B::temporal_conv_dx<T>(conv, dy.data(), x.data(), w.data(), y.data(), dw.data(), dm.data()); });
  }

  Tensor<Stat<T>, Cuda> gradient({n}), master({n}), first({n}), second({n}), average({n});
  for (auto* t : {&gradient, &master, &first, &second, &average}) t->zero();
  const auto unclipped = to_device<Cuda>(Tensor<Stat<T>, Cpu>::from({1}, std::vector<Stat<T>>{1}));
  const bool narrow = sizeof(T) == 2;
  const AdamWStep step{.beta1 = 0.9, .beta2 = 0.999, .average_rate = 1e-3};
  const AdamWUpdate<T> update{.lr = 1e-4,
                              .eps = 1e-8,
                              .decay = 1e-6,
                              .correction1 = 0.1,
                              .correction2 = 0.001,
                              .rows = rows,
                              .columns = width,
                              .lr_columns = nullptr,
                              .eps_rows = nullptr,
                              .w = y.data(),
                              .master = narrow ? master.data() : nullptr,
                              .gradient = gradient.data(),
                              .m = first.data(),
                              .v = second.data(),
                              .average = average.data()};
  // Both moments, the weights, the gradient and the average are read and written in float; 16-bit weights are written
  // too.
  add("adamw and average", (narrow ? 42.0 : 40.0) * wide, 0, [&] {
    B::adamw<T>(step, unclipped.data(), {&update, 1});
  });

  benchmark::measure(cases, rounds);
  benchmark::report(cases, type);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int rounds = argc > 1 ? std::stoi(argv[1]) : 11;
    if (rounds < 1) throw std::invalid_argument("ROUNDS must be 1 or more, found " + std::to_string(rounds));
    std::cout << benchmark::about().dump() << std::endl;
    run<float>("float", rounds);
    run<bf16>("bf16", rounds);
  } catch (const std::exception& e) {
    std::cerr << "bench_cuda_kernels: " << e.what() << std::endl;
    return 1;
  }
}
