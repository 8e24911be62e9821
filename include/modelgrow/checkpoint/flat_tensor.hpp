// SPDX-License-Identifier: MIT
// Tensors that are made of others while they are read: in another type, and slices of several in a row, as ZeRO has
// them.
#pragma once
#include <algorithm>
#include <cstring>

#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/checkpoint/deepspeed_cut.hpp>
#include <modelgrow/checkpoint/joined_tensor.hpp>

namespace modelgrow::inline v0::detail {

inline std::uint64_t element_bytes(DType type) { return std::uint64_t(bits(type)) / 8; }

/// A tensor in another type.
inline JoinedTensor converted(const JoinedTensor& tensor, DType type) {
  if (tensor.dtype() == type) return tensor;
  return {NamedShape{.name = tensor.name(), .dtype = type, .shape = tensor.shape()},
          [=](std::uint64_t begin, std::span<std::byte> out) {
            const auto from = tensor.dtype();
            const std::uint64_t first = begin / element_bytes(type), n = out.size() / element_bytes(type);
            std::vector<std::byte> old(std::size_t(n * element_bytes(from)));
            tensor.read(first * element_bytes(from), old);
            convert(from, old.data(), type, out.data(), std::int64_t(n));
          }};
}

/// Slices of tensors in a row, with the zeros behind each.
inline JoinedTensor in_a_row(std::string name, DType type, const std::vector<const JoinedTensor*>& tensors,
                             const ZeroFlat& flat, std::int64_t size) {
  std::vector<std::pair<JoinedTensor, ZeroSlice>> parts;
  for (const auto& s : flat.slices)
    if (s.size > 0) parts.emplace_back(converted(*tensors[s.parameter], type), s);
  std::vector<std::int64_t> places;
  std::int64_t at = 0;
  for (const auto& s : flat.slices) {
    if (s.size > 0) places.push_back(at);
    at += s.size + s.zeros;
  }
  return {NamedShape{.name = std::move(name), .dtype = type, .shape = {size}},
          [=](std::uint64_t begin, std::span<std::byte> out) {
            const auto element = std::int64_t(element_bytes(type));
            const std::int64_t from = std::int64_t(begin) / element, to = from + std::int64_t(out.size()) / element;
            std::memset(out.data(), 0, out.size());
            for (std::size_t i = 0; i < parts.size(); ++i) {
              const auto& [tensor, slice] = parts[i];
              const auto first = std::max(from, places[i]), last = std::min(to, places[i] + slice.size);
              if (first >= last) continue;
              tensor.read(std::uint64_t((slice.begin + first - places[i]) * element),
                          out.subspan(std::size_t((first - from) * element), std::size_t((last - first) * element)));
            }
          }};
}

}  // namespace modelgrow::inline v0::detail
