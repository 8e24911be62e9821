// SPDX-License-Identifier: MIT
// Speed of the CPU backend. Every figure comes with its yardstick, measured in turn in the same run: OpenBLAS, the peak
// of fused multiply-adds, the stream triad. Run with OMP_WAIT_POLICY=passive OPENBLAS_THREAD_TIMEOUT=4, or the idle
// threads of one starve those of the other.
#include <benchmark/benchmark.h>
#include <omp.h>
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/core/tensor.hpp>

#include <algorithm>
#include <ctime>
#include <string>
#include <vector>
#ifdef HAVE_OPENBLAS
#include <cblas.h>
extern "C" void openblas_set_num_threads(int);
#endif

using namespace modelgrow;
using B = Backend<Cpu>;

namespace {

Tensor<float, Cpu> values(std::int64_t n) {
  Tensor<float, Cpu> t({n});
  for (std::int64_t i = 0; i < n; ++i) t.data()[i] = float((std::uint64_t(i) * 2654435761u >> 9) & 1023) / 512.f - 1.f;
  return t;
}

// On one thread the time of the processor, which neighbours on the machine disturb little; on several the clock on the
// wall.
double now() {
  timespec t;
  clock_gettime(omp_get_max_threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}
template <class F>
double seconds(F&& f) {
  const double start = now();
  f();
  return now() - start;
}

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + std::ptrdiff_t(v.size() / 2), v.end());
  return v[v.size() / 2];
}

// Times `ours` and `yardstick` in turn; `work` per second of each in 1e9, and their ratio, become counters.
template <class F, class G>
void compare(benchmark::State& state, double work, F ours, double yardstick_work, G yardstick) {
  std::vector<double> a, b;
  ours();
  yardstick();
  for (auto _ : state) {
    a.push_back(seconds(ours));
    state.SetIterationTime(a.back());
    b.push_back(seconds(yardstick));
  }
  const double speed = work / median(a) * 1e-9, goal = yardstick_work / median(b) * 1e-9;
  state.counters["ours"] = speed;
  state.counters["yardstick"] = goal;
  state.counters["ratio"] = speed / goal;
}

// 2 * lanes * 12 floating-point operations a turn in registers, on every thread.
constexpr std::int64_t fma_turns = 1 << 20;
void fma_peak() {
#pragma omp parallel
  {
    using cpu::Vector;
    Vector<float> sum[12], x = cpu::broadcast(0.999f), y = cpu::broadcast(1e-3f);
    for (auto& s : sum) s = y;
    for (std::int64_t i = 0; i < fma_turns; ++i)
#pragma GCC unroll 12
      for (int j = 0; j < 12; ++j) sum[j] = Eigen::internal::pmadd(sum[j], x, y);
    for (auto& s : sum) benchmark::DoNotOptimize(s);
  }
}
double fma_work() { return 2.0 * 12 * double(cpu::lanes<float>) * double(fma_turns) * omp_get_max_threads(); }

enum Form { forward, input_gradient, weight_gradient };
void linear(benchmark::State& state) {
  const Form form = Form(state.range(0));
  const LinearSize s{state.range(1), state.range(2), state.range(3)};
  auto x = values(s.rows * s.in), w = values(s.out * s.in), b = values(s.out), y = values(s.rows * s.out);
  const double work = 2.0 * double(s.rows) * double(s.in) * double(s.out);
  const auto ours = [&] {
    if (form == forward) B::linear<float>(s, x.data(), w.data(), b.data(), y.data());
    if (form == input_gradient) B::linear_dx<float>(s, y.data(), w.data(), x.data(), Write::overwrite);
    if (form == weight_gradient) B::linear_dw<float>(s, y.data(), x.data(), w.data(), nullptr);
  };
#ifdef HAVE_OPENBLAS
  openblas_set_num_threads(omp_get_max_threads());
  const int rows = int(s.rows), in = int(s.in), out = int(s.out);
  const auto blas = [&] {
    if (form == forward)
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, out, in, 1, x.data(), in, w.data(), in, 0, y.data(),
                  out);
    if (form == input_gradient)
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, in, out, 1, y.data(), out, w.data(), in, 0, x.data(),
                  in);
    if (form == weight_gradient)
      cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, out, in, rows, 1, y.data(), out, x.data(), in, 1, w.data(),
                  in);
  };
  compare(state, work, ours, work, blas);
#else
  compare(state, work, ours, fma_work(), fma_peak);
#endif
}

// GF/s of 4 (forward) or 10 (backward) operations a query, key and channel, against the peak.
void attention(benchmark::State& state) {
  const bool backward = state.range(0) != 0;
  const std::int64_t batch = state.range(1), tokens = state.range(2), d = state.range(3), heads = state.range(4);
  const bool time = state.range(5) != 0;
  const std::int64_t other = time ? 64 : 1, c = heads * d;  // along time, 64 positions lie between two frames
  const AttentionSize::Strides qkv{tokens * other * 3 * c, time ? 3 * c : 0, other * 3 * c};
  const AttentionSize s{
      batch, other, tokens, tokens, heads, d, qkv, qkv, {tokens * other * c, time ? c : 0, other * c}};
  auto x = values(batch * tokens * other * 3 * c), dx = values(x.size()), y = values(x.size() / 3),
       dy = values(y.size());
  auto lse = values(batch * other * heads * tokens);
  const auto forward = [&] {
    B::attention<float>(s, nullptr, x.data(), x.data() + c, x.data() + 2 * c, y.data(), lse.data());
  };
  forward();
  const auto ours = [&] {
    if (!backward) return forward();
    B::attention_dx<float>(s, nullptr, x.data(), x.data() + c, x.data() + 2 * c, y.data(), lse.data(), dy.data(),
                           dx.data(), dx.data() + c, dx.data() + 2 * c);
  };
  const double pairs = double(batch * other * heads) * double(tokens) * double(tokens);
  compare(state, (backward ? 10.0 : 4.0) * pairs * double(d), ours, fma_work(), fma_peak);
}

// Triad a = b + 3 c over arrays far larger than the caches.
struct Triad {
  std::int64_t n = 1 << 24;
  Tensor<float, Cpu> a = values(n), b = values(n), c = values(n);
  double work() const { return 12.0 * double(n); }
  void operator()() {
    float *x = a.data(), *y = b.data(), *z = c.data();
#pragma omp parallel for
    for (std::int64_t i = 0; i < n; ++i) x[i] = y[i] + 3.f * z[i];
    benchmark::ClobberMemory();
  }
};

void norm_modulate(benchmark::State& state) {
  const bool backward = state.range(0) != 0;
  const ModulateSize s{8, state.range(1) / 8, state.range(2), 6};
  const std::int64_t n = s.batch * s.tokens * s.channels;
  auto x = values(n), y = values(n), dy = values(n), m = values(s.batch * 6 * s.channels), dm = values(m.size());
  auto mean = values(s.batch * s.tokens), rstd = values(s.batch * s.tokens);
  B::norm_modulate<float>(s, 1e-6, x.data(), m.data(), 0, 1, y.data(), mean.data(), rstd.data());
  const auto ours = [&] {
    if (!backward)
      return B::norm_modulate<float>(s, 1e-6, x.data(), m.data(), 0, 1, y.data(), mean.data(), rstd.data());
    B::norm_modulate_dx<float>(s, x.data(), m.data(), 0, 1, mean.data(), rstd.data(), dy.data(), y.data(),
                               Write::overwrite, dm.data());
  };
  Triad triad;
  compare(state, (backward ? 12.0 : 8.0) * double(n), ours, triad.work(), [&] { triad(); });
}

void gelu(benchmark::State& state) {
  const bool backward = state.range(0) != 0;
  const std::int64_t n = 1 << 24;
  auto x = values(n), y = values(n), dy = values(n);
  const auto ours = [&] {
    if (!backward) return B::activation<float>(Activation::gelu_tanh, n, x.data(), y.data());
    B::activation_dx<float>(Activation::gelu_tanh, n, x.data(), dy.data(), y.data());
  };
  Triad triad;
  compare(state, (backward ? 12.0 : 8.0) * double(n), ours, triad.work(), [&] { triad(); });
}

// Reads and writes weights, gradients (cleared) and both moments: 32 bytes a parameter.
void adamw(benchmark::State& state) {
  const std::int64_t n = 1 << 24;
  auto w = values(n), g = values(n), m = values(n), v = Tensor<float, Cpu>::zeros({n});
  const AdamWStep step{.beta1 = 0.9, .beta2 = 0.999, .average_rate = 0};
  const AdamWUpdate<float> update{.lr = 1e-4,
                                  .eps = 1e-8,
                                  .decay = 1e-6,
                                  .correction1 = 0.1,
                                  .correction2 = 0.001,
                                  .rows = 1,
                                  .columns = n,
                                  .lr_columns = nullptr,
                                  .eps_rows = nullptr,
                                  .w = w.data(),
                                  .master = nullptr,
                                  .gradient = g.data(),
                                  .m = m.data(),
                                  .v = v.data(),
                                  .average = nullptr};
  const float scale = 1;
  Triad triad;
  compare(
      state, 32.0 * double(n),
      [&] {
        B::adamw<float>(step, &scale, {&update, 1});
      },
      triad.work(), [&] { triad(); });
}

}  // namespace

BENCHMARK(linear)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->ArgNames({"form", "rows", "in", "out"})
    ->ArgsProduct({{0, 1, 2}, {4096}, {192}, {576, 768}})
    ->ArgsProduct({{0, 1, 2}, {2048, 16384}, {384}, {1152, 1536}})
    ->ArgsProduct({{0, 1, 2}, {4096}, {96}, {384}})
    ->ArgsProduct({{0, 1, 2}, {4096}, {768}, {192}});
BENCHMARK(attention)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->ArgNames({"backward", "batch", "tokens", "head_dim", "heads", "time"})
    ->ArgsProduct({{0, 1}, {64}, {64}, {32}, {6}, {0}})
    ->ArgsProduct({{0, 1}, {8}, {256}, {64, 72}, {6}, {0}})
    ->ArgsProduct({{0, 1}, {2}, {1024}, {64, 72}, {8}, {0}})
    ->ArgsProduct({{0, 1}, {16}, {8, 16}, {32}, {6}, {1}})
    ->ArgsProduct({{0, 1}, {8}, {16}, {64, 72}, {16}, {1}});
BENCHMARK(norm_modulate)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->ArgNames({"backward", "rows", "channels"})
    ->ArgsProduct({{0, 1}, {4096, 16384}, {192, 1152}});
BENCHMARK(gelu)->UseManualTime()->Unit(benchmark::kMillisecond)->ArgName("backward")->Arg(0)->Arg(1);
BENCHMARK(adamw)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK_MAIN();
