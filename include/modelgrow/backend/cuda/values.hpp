// SPDX-License-Identifier: MIT
// Neighbouring values in the registers of a thread: eight at once, in accesses of 16 bytes, and one at a time where a
// tensor ends or lies at an odd address.
#pragma once
#include <concepts>
#include <initializer_list>
#include <type_traits>

#include <modelgrow/backend/cuda/kernel.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// A number of values that the compiler knows.
template <int N>
struct Count {};

/// What a thread takes at once of every tensor: 16 bytes in bf16, two times 16 in float.
inline constexpr int at_once = 8;

/// N neighbours in the type of arithmetic.
template <class A, int N>
struct Values {
  A at[N];
};

/// 16 bytes as they lie in memory, where bf16 share a register two by two.
template <class T>
using Packed = Chunk<std::conditional_t<std::same_as<T, bf16>, std::uint32_t, T>>;

/// As many values as 16 bytes hold: eight bf16, four floats.
template <class T>
using PackedValues = Values<Stat<T>, Chunk<T>::values>;

template <class T, class Dev>
MODELGROW_DEVICE void unpack(Dev dev, const Packed<T>& packed, Stat<T>* values) {
  for (int i = 0; i < Chunk<T>::values; ++i) {
    if constexpr (std::same_as<T, bf16>)
      values[i] = i % 2 == 0 ? dev.low(packed.at[i / 2]) : dev.high(packed.at[i / 2]);
    else
      values[i] = packed.at[i];
  }
}
template <class T, class Dev>
MODELGROW_DEVICE Packed<T> pack(Dev dev, const Stat<T>* values) {
  Packed<T> packed;
  for (int i = 0; i < Packed<T>::values; ++i) {
    if constexpr (std::same_as<T, bf16>)
      packed.at[i] = dev.pack(values[2 * i], values[2 * i + 1]);
    else
      packed.at[i] = values[i];
  }
  return packed;
}

/// The N values from p on; p is a multiple of 16 bytes unless N is 1.
template <int N, class Dev, class T>
MODELGROW_DEVICE Values<Stat<T>, N> read(Dev dev, const T* p) {
  Values<Stat<T>, N> values;
  if constexpr (N == 1)
    values.at[0] = dev.widen(*p);
  else
    for (int first = 0; first < N; first += Chunk<T>::values)
      unpack<T>(dev, dev.template load<Packed<T>>(p + first), values.at + first);
  return values;
}

/// Stores them from p on, rounded to T. Returns them as they are stored.
template <class Dev, class T, int N>
MODELGROW_DEVICE Values<Stat<T>, N> write(Dev dev, T* p, const Values<Stat<T>, N>& values) {
  Values<Stat<T>, N> stored;
  if constexpr (N == 1) {
    const T value = dev.template narrow<T>(values.at[0]);
    *p = value;
    stored.at[0] = dev.widen(value);
  } else {
    for (int first = 0; first < N; first += Chunk<T>::values) {
      const auto packed = pack<T>(dev, values.at + first);
      dev.store_at_once(p + first, packed);
      unpack<T>(dev, packed, stored.at + first);
    }
  }
  return stored;
}

/// y[e] = f(x[e] ..) for the N values from y and every x on.
template <int N, class Dev, class F, class Y, class... X>
MODELGROW_DEVICE void map(Dev dev, F f, Y* y, const Values<X, N>&... x) {
  Values<Stat<Y>, N> result;
  for (int e = 0; e < N; ++e) result.at[e] = f(x.at[e]...);
  write(dev, y, result);
}

/// Whether 16 bytes can be loaded and stored at once from all of these addresses on (or null).
inline bool aligned(std::initializer_list<const void*> addresses) {
  for (const void* p : addresses)
    if (reinterpret_cast<std::uintptr_t>(p) % 16 != 0) return false;
  return true;
}

/// How many of n values can be taken eight at a time: all but a tail, or none where an address is odd.
inline Index wide_values(Index n, std::initializer_list<const void*> addresses) {
  return aligned(addresses) ? n / at_once * at_once : 0;
}

/// The same of the columns of matrices: all or none, so that every row begins at a multiple of 16 bytes.
template <class T>
Index wide_columns(Index columns, std::initializer_list<const void*> addresses) {
  return columns * Index(sizeof(T)) % 16 == 0 ? wide_values(columns, addresses) : 0;
}

/// f(i, Count<8>{}) or f(i, Count<1>{}) for this worker's share of the values [begin, end), where those before `wide`
/// can be taken eight at a time; begin and wide are multiples of eight.
template <class F>
MODELGROW_DEVICE void for_values(Index begin, Index wide, Index end, Index worker, Index workers, F f) {
  const Index chunks_end = greatest(begin, least(wide, end));
  for (Index i = begin + worker * at_once; i < chunks_end; i += workers * at_once) f(i, Count<at_once>{});
  for (Index i = chunks_end + worker; i < end; i += workers) f(i, Count<1>{});
}

/// A thread for every eight values of [0, n): element(dev, i, Count<8>{}), and Count<1>{} for values behind `wide`.
template <class Element>
struct ForEachValue {
  static constexpr int threads = block_threads;
  using Shared = NoShared;
  Index n, wide;
  Element element;
  Index blocks() const { return ceil_div(n, threads * at_once); }

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared&) const {
    for_values(0, wide, n, dev.block() * threads + dev.thread(), dev.blocks() * threads,
               [&](Index i, auto count) { element(dev, i, count); });
  }
};

/// f(c, Count<8>{}) or f(c, Count<1>{}) for this lane's share of a row, where columns before `wide` go eight at a time.
template <class Dev, class F>
MODELGROW_DEVICE void for_row(Dev dev, Index wide, Index columns, F f) {
  const int first_single = int(wide), end = int(columns);
  for (int c = lane(dev) * at_once; c < first_single; c += warp_size * at_once) f(c, Count<at_once>{});
  for (int c = first_single + lane(dev); c < end; c += warp_size) f(c, Count<1>{});
}

}  // namespace kernels
}  // namespace modelgrow::inline v0
