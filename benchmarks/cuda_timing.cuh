// SPDX-License-Identifier: MIT
// How operations on a GPU are timed: by turns, each with a cold second-level cache.
#pragma once
#include <algorithm>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include <modelgrow/cuda.cuh>
#include <modelgrow/detail/json.hpp>

namespace benchmark {
using namespace modelgrow;

/// An operation, the bytes and flops that it cannot do without, and how long it took.
struct Case {
  std::string operation;
  double bytes, flops;
  std::function<void()> run;
  std::vector<double> seconds{};

  double median() {
    const auto middle = seconds.begin() + std::ptrdiff_t(seconds.size() / 2);
    std::nth_element(seconds.begin(), middle, seconds.end());
    return *middle;
  }
};

/// A pair of events around work on the stream of the current context.
class Stopwatch {
 public:
  Stopwatch() {
    for (cudaEvent_t* event : {&begin_, &end_}) kernels::check(cudaEventCreate(event), "creating an event");
  }
  ~Stopwatch() {
    for (cudaEvent_t event : {begin_, end_}) cudaEventDestroy(event);
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  double seconds(const std::function<void()>& work) {
    const cudaStream_t stream = CudaContext::current().stream();
    kernels::check(cudaEventRecord(begin_, stream), "recording an event");
    work();
    kernels::check(cudaEventRecord(end_, stream), "recording an event");
    kernels::check(cudaEventSynchronize(end_), "waiting for an event");
    float ms = 0;
    kernels::check(cudaEventElapsedTime(&ms, begin_, end_), "reading an event");
    return 1e-3 * double(ms);
  }

 private:
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
};

inline void measure(std::vector<Case>& cases, int rounds) {
  constexpr int warmup = 2;
  Tensor<float, Cuda> flush({std::int64_t{64} << 20});  // 256 MiB, more than any second-level cache
  Stopwatch watch;
  for (int round = -warmup; round < rounds; ++round)
    for (Case& c : cases) {
      flush.zero();  // the device is busy with it while the host gives it the work to be timed
      const double seconds = watch.seconds(c.run);
      if (round >= 0) c.seconds.push_back(seconds);
    }
}

/// Prints every case; the first two are the copy and the product that set the floors.
inline void report(std::vector<Case>& cases, const char* type) {
  const double bytes_per_s = cases[0].bytes / cases[0].median(), flops_per_s = cases[1].flops / cases[1].median();
  for (Case& c : cases) {
    const double median = c.median(), floor = std::max(c.bytes / bytes_per_s, c.flops / flops_per_s);
    const auto [fastest, slowest] = std::minmax_element(c.seconds.begin(), c.seconds.end());
    detail::json line{{"operation", c.operation},
                      {"type", type},
                      {"us", 1e6 * median},
                      {"fastest_us", 1e6 * *fastest},
                      {"slowest_us", 1e6 * *slowest}};
    if (c.bytes > 0) line["gb_per_s"] = 1e-9 * c.bytes / median;
    if (c.flops > 0) line["tflop_per_s"] = 1e-12 * c.flops / median;
    line["floor_us"] = 1e6 * floor;
    line["reached"] = floor / median;
    std::cout << line.dump() << std::endl;
  }
}

template <class T>
Tensor<T, Cuda> values(std::int64_t n) {
  Tensor<T, Cpu> t({n});
  for (std::int64_t i = 0; i < n; ++i)
    t.data()[i] = T(float((std::uint64_t(i) * 2654435761u >> 9) & 1023) / 512.f - 1.f);
  return to_device<Cuda>(t);
}

inline detail::json about() {
  cudaDeviceProp device{};
  kernels::check(cudaGetDeviceProperties(&device, 0), "looking for a GPU");
  int driver = 0, runtime = 0, blas = 0;
  kernels::check(cudaDriverGetVersion(&driver), "reading the version of the driver");
  kernels::check(cudaRuntimeGetVersion(&runtime), "reading the version of the runtime");
  kernels::check(cublasGetVersion(CudaContext::current().blas(), &blas), "reading the version of cuBLAS");
  return {{"device", device.name},
          {"multiprocessors", device.multiProcessorCount},
          {"second_level_cache_mb", device.l2CacheSize / 1048576},
          {"cuda_of_driver", driver},
          {"cuda_runtime", runtime},
          {"cublas", blas}};
}

}  // namespace benchmark
