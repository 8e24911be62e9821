// SPDX-License-Identifier: MIT
// Products of fragments (backend/cuda/fragments.hpp) on whatever can launch a kernel, against a plain product.
#pragma once
#include <modelgrow/backend/cuda/fragments.hpp>
#include <modelgrow/core/tensor.hpp>

#include <string>
#include <vector>

#include "tests/support/catch.hpp"

namespace modelgrow::testing {

using kernels::FragmentA;
using kernels::FragmentB;
using kernels::FragmentC;
using kernels::Index;

/// c[16, 8] += a[16, K] b[K, 8], each lane reading and writing where the maps say that its registers lie.
template <int K>
struct ProductByMaps {
  static constexpr int threads = kernels::warp_size;
  using Shared = kernels::NoShared;
  const bf16 *a, *b;
  float* c;
  Index blocks() const { return 1; }
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared&) const {
    const int lane = kernels::lane(dev);
    FragmentA<K> left;
    FragmentB<K> right;
    FragmentC sum;
    for (int r = 0; r < left.registers; ++r) {
      const bf16* at = a + left.row(lane, r) * K + left.column(lane, r);
      left.at[r] = dev.pack(dev.widen(at[0]), dev.widen(at[1]));
    }
    for (int r = 0; r < right.registers; ++r) {
      const bf16* at = b + right.row(lane, r) * 8 + right.column(lane, r);
      right.at[r] = dev.pack(dev.widen(at[0]), dev.widen(at[8]));
    }
    for (int r = 0; r < sum.registers; ++r) sum.at[r] = c[sum.row(lane, r) * 8 + sum.column(lane, r)];
    dev.mma(sum, left, right);
    for (int r = 0; r < sum.registers; ++r) c[sum.row(lane, r) * 8 + sum.column(lane, r)] = sum.at[r];
  }
};

/// How the right factor lies in memory.
enum class Stored { rows, columns };

/// d[16, 8] += (a[16, 16] b[16, 16]) v[K, 8] for K = 16, or d += a[16, K] v for K = 8, all copied to shared memory
/// asynchronously and loaded as matrices. Of v only the first `valid` rows are read, the others count as zero.
template <int K, Stored right>
struct ProductByLoads {
  static constexpr int threads = kernels::warp_size;
  static constexpr int stride = 24;  // values: not that of the matrices in global memory
  struct Shared {
    alignas(16) bf16 a[16 * stride], b[16 * stride], v[16 * stride];
  };
  const bf16 *a, *b, *v;  // v[K, 8], or [8, K] when its columns are stored
  float* d;
  int valid;
  Index blocks() const { return 1; }
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared& shared) const {
    const int lane = kernels::lane(dev);
    copy(dev, shared.a, a, 16, K, 16);
    copy(dev, shared.b, b, 16, 16, 16);
    if constexpr (right == Stored::rows)
      copy(dev, shared.v, v, K, 8, valid);
    else
      copy(dev, shared.v, v, 8, K, 8);
    dev.commit_copies();
    dev.template wait_copies<0>();
    dev.sync();
    FragmentA<K> left;
    FragmentB<K> last;
    FragmentC sum{};
    load_rows(dev, left, shared.a, stride);
    if constexpr (K == 16) {  // the first product is the left factor of the second
      FragmentC product[2] = {};
      for (int half = 0; half < 2; ++half) {
        FragmentB<K> b_half;
        load_rows(dev, b_half, shared.b + 8 * half, stride);
        dev.mma(product[half], left, b_half);
      }
      left = as_left_factor(dev, product[0], product[1]);
    }
    if constexpr (right == Stored::rows)
      load_rows(dev, last, shared.v, stride);
    else
      load_columns(dev, last, shared.v, stride);
    dev.mma(sum, left, last);
    for (int r = 0; r < sum.registers; ++r) d[sum.row(lane, r) * 8 + sum.column(lane, r)] = sum.at[r];
  }

 private:
  template <class Dev>
  MODELGROW_DEVICE static void copy(Dev dev, bf16* to, const bf16* from, int rows, int columns, int valid) {
    constexpr int at_once = 8;
    for (int i = int(dev.thread()); i < rows * columns / at_once; i += threads) {
      const int row = i * at_once / columns, column = i * at_once % columns;
      dev.copy_async(to + row * stride + column, from + row * columns + column, row < valid ? 16 : 0);
    }
  }
};

/// out[8, 8] = in^T, and behind it `in`, its first half moved by 4 registers a lane and the other by 2.
struct Transposed {
  static constexpr int threads = kernels::warp_size;
  using Shared = kernels::NoShared;
  const bf16* in;
  bf16* out;
  Index blocks() const { return 1; }
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared&) const {
    const int lane = kernels::lane(dev);
    const auto move = [&]<int N>(kernels::Chunk<std::uint32_t, N>, int at) {
      dev.store(out + 64 + at, dev.template load<kernels::Chunk<std::uint32_t, N>>(in + at));
    };
    dev.store(out + 2 * lane, dev.transposed(dev.template load<std::uint32_t>(in + 2 * lane)));
    if (lane < 4)
      move(kernels::Chunk<std::uint32_t, 4>{}, 8 * lane);
    else if (lane < 12)
      move(kernels::Chunk<std::uint32_t, 2>{}, 4 * (lane + 4));
  }
};

/// Small integers, which bf16 and all sums of them represent; every stream gives other ones.
inline std::vector<bf16> small_integers(int n, unsigned stream) {
  std::vector<bf16> values;
  for (int i = 0; i < n; ++i)
    values.push_back(bf16(float(int((unsigned(i) * 2654435761u * (stream + 1) >> 13) % 5) - 2)));
  return values;
}
/// c[16, columns] = a[16, inner] b[inner, columns].
template <class T>
std::vector<float> product(const std::vector<T>& a, const std::vector<bf16>& b, int inner, int columns) {
  std::vector<float> c(std::size_t(16 * columns));
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < columns; ++j)
      for (int k = 0; k < inner; ++k)
        c[std::size_t(i * columns + j)] +=
            float(a[std::size_t(i * inner + k)]) * float(b[std::size_t(k * columns + j)]);
  return c;
}
inline std::vector<bf16> transposed(const std::vector<bf16>& x, int rows, int columns) {
  std::vector<bf16> y;
  for (int j = 0; j < columns; ++j)
    for (int i = 0; i < rows; ++i) y.push_back(x[std::size_t(i * columns + j)]);
  return y;
}

template <class D, class T>
Tensor<T, D> on_device(const std::vector<T>& values) {
  return to_device<D>(Tensor<T, Cpu>::from({std::int64_t(values.size())}, values));
}
template <class D>
std::vector<float> on_host(const Tensor<float, D>& t) {
  const auto host = to_cpu(t);
  return {host.span().begin(), host.span().end()};
}

template <class Exec, int K>
void check_product_by_maps() {
  using D = typename Exec::Device;
  const auto a = small_integers(16 * K, 1), b = small_integers(K * 8, 2);
  const auto sums = on_device<D>(std::vector<float>(16 * 8, 100.0f));
  const auto on_a = on_device<D>(a), on_b = on_device<D>(b);
  Exec::launch(ProductByMaps<K>{.a = on_a.data(), .b = on_b.data(), .c = sums.data()});
  auto expected = product(a, b, K, 8);
  for (float& v : expected) v += 100;
  CHECK(on_host(sums) == expected);
}

template <class Exec, int K, Stored right>
void check_product_by_loads(int valid) {
  using D = typename Exec::Device;
  const auto a = small_integers(16 * K, 1), b = small_integers(16 * 16, 2);
  auto v = small_integers(K * 8, 3);
  const auto stored = on_device<D>(right == Stored::rows ? v : transposed(v, K, 8));
  const auto d = on_device<D>(std::vector<float>(16 * 8));
  const auto on_a = on_device<D>(a), on_b = on_device<D>(b);
  Exec::launch(
      ProductByLoads<K, right>{.a = on_a.data(), .b = on_b.data(), .v = stored.data(), .d = d.data(), .valid = valid});
  std::fill(v.begin() + 8 * valid, v.end(), bf16(0));
  CHECK(on_host(d) == (K == 16 ? product(product(a, b, 16, 16), v, 16, 8) : product(a, v, K, 8)));
}

template <class Exec>
void check_transposed() {
  using D = typename Exec::Device;
  const auto in = small_integers(64, 1);
  const auto on_in = on_device<D>(in), out = on_device<D>(std::vector<bf16>(128));
  Exec::launch(Transposed{.in = on_in.data(), .out = out.data()});
  auto expected = transposed(in, 8, 8);
  expected.insert(expected.end(), in.begin(), in.end());
  const auto host = to_cpu(out);
  CHECK(std::vector<bf16>(host.span().begin(), host.span().end()) == expected);
}

/// Both sizes of fragments, filled and loaded in every way.
template <class Exec>
void check_fragments() {
  check_product_by_maps<Exec, 16>();
  check_product_by_maps<Exec, 8>();
  check_product_by_loads<Exec, 16, Stored::rows>(16);
  check_product_by_loads<Exec, 16, Stored::rows>(13);
  check_product_by_loads<Exec, 16, Stored::columns>(16);
  check_product_by_loads<Exec, 8, Stored::rows>(8);
  check_product_by_loads<Exec, 8, Stored::columns>(8);
  check_transposed<Exec>();
}

}  // namespace modelgrow::testing
