// SPDX-License-Identifier: MIT
// Neighbouring values in registers: 16 bytes of memory at a time, in the type of arithmetic.
#pragma once
#include <concepts>
#include <type_traits>

#include <modelgrow/backend/cuda/kernel.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// As many values as 16 bytes hold: eight bf16, four floats.
template <class T>
struct PackedValues {
  static constexpr int count = Chunk<T>::values;
  /// As they lie in memory, where bf16 share a register two by two.
  using Packed = Chunk<std::conditional_t<std::same_as<T, bf16>, std::uint32_t, T>>;
  Stat<T> at[count];

  template <class Dev>
  MODELGROW_DEVICE static PackedValues unpacked(Dev dev, const Packed& packed) {
    PackedValues v;
    for (int e = 0; e < count; ++e) {
      if constexpr (std::same_as<T, bf16>)
        v.at[e] = e % 2 == 0 ? dev.low(packed.at[e / 2]) : dev.high(packed.at[e / 2]);
      else
        v.at[e] = packed.at[e];
    }
    return v;
  }
  template <class Dev>
  MODELGROW_DEVICE static PackedValues load(Dev dev, const Packed* p) {
    return unpacked(dev, dev.template load<Packed>(p));
  }
  template <class Dev>
  MODELGROW_DEVICE void store(Dev dev, Packed* p) const {
    Packed packed;
    for (int e = 0; e < Packed::values; ++e) {
      if constexpr (std::same_as<T, bf16>)
        packed.at[e] = dev.pack(at[2 * e], at[2 * e + 1]);
      else
        packed.at[e] = at[e];
    }
    dev.store(p, packed);
  }
};

/// Memory of values, 16 bytes at a time. nvcc keeps them together only where addresses are multiples of 16 by their
/// type.
template <class T>
MODELGROW_HOST_DEVICE const typename PackedValues<T>::Packed* packed(const T* values) {
  return reinterpret_cast<const typename PackedValues<T>::Packed*>(values);
}
template <class T>
MODELGROW_HOST_DEVICE typename PackedValues<T>::Packed* packed(T* values) {
  return reinterpret_cast<typename PackedValues<T>::Packed*>(values);
}

}  // namespace kernels
}  // namespace modelgrow::inline v0
