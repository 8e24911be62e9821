// SPDX-License-Identifier: MIT
// Speed of the CUDA backend at the sizes of STDiT-XL/2 (16 frames of 1024 tokens, width 1152, 16 heads): one line of
// JSON an operation, beside a device-to-device copy and cuBLAS in the same run as yardsticks.
#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include <modelgrow/cuda.cuh>
#include <modelgrow/detail/json.hpp>

using namespace modelgrow;
using B = Backend<Cuda>;

namespace {

/// Median seconds of f on the device.
template <class F>
double seconds(F&& f) {
  constexpr int warmup = 3, runs = 11;
  const cudaStream_t stream = CudaContext::current().stream();
  cudaEvent_t begin, end;
  kernels::check(cudaEventCreate(&begin), "creating an event");
  kernels::check(cudaEventCreate(&end), "creating an event");
  std::vector<double> times;
  for (int i = 0; i < warmup + runs; ++i) {
    kernels::check(cudaEventRecord(begin, stream), "recording an event");
    f();
    kernels::check(cudaEventRecord(end, stream), "recording an event");
    kernels::check(cudaEventSynchronize(end), "waiting for an event");
    float ms = 0;
    kernels::check(cudaEventElapsedTime(&ms, begin, end), "reading an event");
    if (i >= warmup) times.push_back(1e-3 * double(ms));
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  std::nth_element(times.begin(), times.begin() + runs / 2, times.end());
  return times[runs / 2];
}

/// Prints one result; bytes and flops are those that the operation cannot do without.
template <class F>
void report(const char* what, const char* type, double bytes, double flops, F&& f) {
  const double s = seconds(f);
  detail::json line{{"operation", what}, {"type", type}, {"us", 1e6 * s}};
  if (bytes > 0) line["gb_per_s"] = 1e-9 * bytes / s;
  if (flops > 0) line["tflop_per_s"] = 1e-12 * flops / s;
  std::cout << line.dump() << std::endl;
}

template <class T>
Tensor<T, Cuda> values(std::int64_t n) {
  Tensor<T, Cpu> t({n});
  for (std::int64_t i = 0; i < n; ++i)
    t.data()[i] = T(float((std::uint64_t(i) * 2654435761u >> 9) & 1023) / 512.f - 1.f);
  return to_device<Cuda>(t);
}

template <class T>
void run(const char* type) {
  const std::int64_t frames = 16, space = 1024, width = 1152, heads = 16, ffn = 4608;
  const std::int64_t rows = frames * space, n = rows * width;
  const double bytes = double(sizeof(T)) * double(n), wide = double(rows) * double(width);
  const auto x = values<T>(n), dy = values<T>(n), m = values<T>(6 * width), w = values<T>(ffn * width);
  const auto qkv = values<T>(3 * n);
  Tensor<T, Cuda> y({n}), h({rows * ffn}), dqkv({3 * n}), dw = values<T>(ffn * width), dm = values<T>(6 * width);
  Tensor<Stat<T>, Cuda> mean({rows}), rstd({rows}), lse({rows * heads});

  report("copy", type, 2 * bytes, 0, [&] { Cuda::copy(y.data(), x.data(), x.bytes()); });
  const LinearSize linear{.rows = rows, .in = width, .out = ffn};
  const double gemm = 2 * wide * double(ffn);
  report("linear", type, 0, gemm, [&] { B::linear(linear, x.data(), w.data(), m.data(), h.data()); });
  report("linear_dx", type, 0, gemm, [&] { B::linear_dx(linear, h.data(), w.data(), y.data(), Write::overwrite); });
  report("linear_dw", type, 0, gemm, [&] { B::linear_dw(linear, h.data(), x.data(), dw.data()); });
  report("column_sum", type, bytes, 0, [&] { B::column_sum(rows, width, x.data(), dm.data()); });

  const std::int64_t c3 = 3 * width;
  const AttentionSize along_space{1,
                                  frames,
                                  space,
                                  space,
                                  heads,
                                  width / heads,
                                  {n * 3, space * c3, c3},
                                  {n * 3, space * c3, c3},
                                  {n, space * width, width}};
  const AttentionSize along_time{1,
                                 space,
                                 frames,
                                 frames,
                                 heads,
                                 width / heads,
                                 {n * 3, c3, space * c3},
                                 {n * 3, c3, space * c3},
                                 {n, width, space * width}};
  for (const auto& [name, size] :
       {std::pair{"attention along space", along_space}, {"attention along time", along_time}}) {
    const T *q = qkv.data(), *k = q + width, *v = k + width;
    const double flops = 4 * wide * double(size.keys);
    report(name, type, 4 * bytes, flops, [&] { B::attention<T>(size, nullptr, q, k, v, y.data(), lse.data()); });
    report((std::string(name) + ", backward").c_str(), type, 8 * bytes, 2.5 * flops, [&] {
      B::attention_dx<T>(size, nullptr, q, k, v, y.data(), lse.data(), dy.data(), dqkv.data(), dqkv.data() + width,
                         dqkv.data() + 2 * width);
    });
  }

  const ModulateSize modulate{.batch = 1, .tokens = rows, .channels = width, .slots = 6};
  report("norm_modulate", type, 2 * bytes, 0,
         [&] { B::norm_modulate(modulate, 1e-6, x.data(), m.data(), 0, 1, y.data(), mean.data(), rstd.data()); });
  report("norm_modulate_dx", type, 3 * bytes, 0, [&] {
    B::norm_modulate_dx(modulate, x.data(), m.data(), 0, 1, mean.data(), rstd.data(), dy.data(), y.data(),
                        Write::overwrite, dm.data());
  });
  report("gate_residual", type, 3 * bytes, 0,
         [&] { B::gate_residual(modulate, x.data(), dy.data(), m.data(), 2, y.data()); });
  report("gelu", type, 2 * bytes, 0, [&] { B::activation(Activation::gelu_tanh, n, x.data(), y.data()); });
  const TemporalConvSize conv{1, frames, space, width, width, 3, -2, TemporalConvSize::Kind::depthwise};
  report("temporal_conv depthwise", type, 2 * bytes, 0,
         [&] { B::temporal_conv<T>(conv, x.data(), w.data(), m.data(), y.data()); });

  Tensor<Stat<T>, Cuda> master({n}), first({n}), second({n});
  for (auto* t : {&master, &first, &second}) t->zero();
  const bool narrow = sizeof(T) == 2;
  const AdamWStep step{.lr = 1e-4,
                       .beta1 = 0.9,
                       .beta2 = 0.999,
                       .eps = 1e-8,
                       .decay = 1e-6,
                       .correction1 = 0.1,
                       .correction2 = 0.001,
                       .gradient_scale = 1};
  const double adamw_bytes = (narrow ? 24.0 + 6.0 : 28.0) * double(n);  // reads and writes of m, v, master, w, gradient
  report("adamw", type, adamw_bytes, 0, [&] {
    B::adamw<T>(step, rows, width, nullptr, nullptr, y.data(), narrow ? master.data() : nullptr, x.data(), first.data(),
                second.data());
  });
}

}  // namespace

int main() {
  try {
    cudaDeviceProp device{};
    kernels::check(cudaGetDeviceProperties(&device, 0), "looking for a GPU");
    std::cout << detail::json{{"device", device.name}}.dump() << std::endl;
    run<float>("float");
    run<bf16>("bf16");
  } catch (const std::exception& e) {
    std::cerr << "bench_cuda_kernels: " << e.what() << std::endl;
    return 1;
  }
}
