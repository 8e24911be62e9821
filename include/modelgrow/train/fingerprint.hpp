// SPDX-License-Identifier: MIT
// Numbers that tell models apart, by which ranks see whether they came with the same one.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <modelgrow/core/describe.hpp>
#include <modelgrow/detail/hash64.hpp>

namespace modelgrow::inline v0 {

/// Of the paths and shapes of all parameters and of which are trained, in their order.
template <class M>
std::uint64_t fingerprint_of_shapes(M& model) {
  std::string text;
  for_each_parameter(model, [&](const std::string& path, const auto& p) {
    text += path + " " + to_string(p.value.shape()) + (p.trained() ? " trained\n" : "\n");
  });
  return detail::hash64(std::as_bytes(std::span(text)));
}

/// Of the bits of all values, in their order.
template <class M>
std::uint64_t fingerprint_of_values(M& model) {
  std::vector<std::uint64_t> hashes;
  for_each_parameter(model, [&](const std::string&, const auto& p) {
    const auto values = to_cpu(p.value);
    hashes.push_back(detail::hash64(std::as_bytes(values.span())));
  });
  return detail::hash64(std::as_bytes(std::span(hashes)));
}

}  // namespace modelgrow::inline v0
