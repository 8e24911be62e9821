// SPDX-License-Identifier: MIT
// Conversion between the four float types of checkpoints: round to nearest even, once, NaN kept, from unaligned bytes.
#pragma once
#include <cstring>

#include <modelgrow/checkpoint/safetensors.hpp>
#include <modelgrow/core/parallel.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Calls f with a value of the C++ type that stores `dtype`.
template <class F>
void with_element(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f64:
      return f(double{});
    case DType::f32:
      return f(float{});
    case DType::f16:
      return f(f16{});
    case DType::bf16:
      return f(bf16{});
    default:
      throw format_error("elements of type " + std::string(name(dtype)) +
                         " cannot be converted; only F64, F32, F16 and BF16 can");
  }
}

template <Element From, Element To>
void convert_run(const std::byte* from, std::byte* to, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    From x;
    std::memcpy(&x, from + std::size_t(i) * sizeof(From), sizeof x);
    const To y = element_cast<To>(x);
    std::memcpy(to + std::size_t(i) * sizeof(To), &y, sizeof y);
  }
}

}  // namespace detail

/// Converts n elements in parallel; neither side need be aligned, and they must not overlap. Equal types are copied,
/// whatever they are. Throws format_error for a conversion from or to a type without arithmetic.
void convert(DType from_type, const std::byte* from, DType to_type, std::byte* to, std::int64_t n);

/// Elements of a tensor as numbers of type T. Throws format_error for a tensor that is not of a float type.
template <Element T>
std::vector<T> values_of(const TensorView& tensor) {
  std::vector<T> values(std::size_t(numel(tensor.shape)));
  convert(tensor.dtype, tensor.data, dtype_of<T>, reinterpret_cast<std::byte*>(values.data()),
          std::int64_t(values.size()));
  return values;
}

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/convert_inl.hpp>
#endif
