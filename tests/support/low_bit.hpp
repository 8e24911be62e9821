// SPDX-License-Identifier: MIT
// Tensors in memory, and states of optimizers in 8 bits as bitsandbytes would have made them.
#pragma once
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <memory>
#include <vector>

#include <modelgrow/checkpoint/stored_optimizer.hpp>
#include <modelgrow/checkpoint/torch_archive.hpp>
#include <modelgrow/checkpoint/torch_tensor.hpp>
#include <tests/support/message.hpp>

namespace modelgrow::testing {

template <class T>
JoinedTensor in_memory(std::string name, Shape shape, std::vector<T> values) {
  const auto dtype = sizeof(T) == 1 ? DType::u8 : DType::f32;
  return {NamedShape{.name = std::move(name), .dtype = dtype, .shape = shape},
          [values = std::make_shared<const std::vector<T>>(std::move(values))](std::uint64_t begin,
                                                                               std::span<std::byte> out) {
            const auto bytes = std::as_bytes(std::span(*values));
            std::copy_n(bytes.begin() + std::ptrdiff_t(begin), out.size(), out.begin());
          }};
}
inline std::vector<std::byte> bytes_in(const JoinedTensor& t) {
  std::vector<std::byte> bytes(std::size_t(t.bytes()));
  t.read(0, bytes);
  return bytes;
}
template <class T>
std::vector<T> values_in(const JoinedTensor& t) {
  std::vector<T> values(std::size_t(t.bytes() / sizeof(T)));
  t.read(0, std::as_writable_bytes(std::span(values)));
  return values;
}

/// What codes of 8 bits stand for: powers of ten, and a fraction that is the finer the larger they are.
inline std::vector<float> dynamic_map(bool with_sign) {
  std::vector<float> all{0, 1};
  for (int exponent = 0; exponent < 7; ++exponent) {
    const int fractions = (with_sign ? 1 : 2) << exponent;
    for (int i = 0; i < fractions; ++i) {
      const double x = std::pow(10.0, exponent - 6) * (0.1 + 0.9 * (i + 0.5) / fractions);
      all.push_back(float(x));
      if (with_sign) all.push_back(float(-x));
    }
  }
  std::ranges::sort(all);
  return all;
}

/// Options of a group of AdamW8bit.
inline PickleDict wrapped_options() {
  PickleDict d;
  d.set("lr", PickleValue(1e-3));
  d.set("betas", PickleTuple{{PickleValue(0.9), PickleValue(0.999)}});
  d.set("eps", PickleValue(1e-8));
  d.set("weight_decay", PickleValue(0.01));
  d.set("alpha", PickleValue(0.0));
  for (const char* key : {"t_alpha", "t_beta3"}) d.set(key, PickleValue());
  return d;
}

/// The moments of one parameter under the keys of bitsandbytes.
using WrappedMoments = std::vector<std::pair<std::string, JoinedTensor>>;

/// A moment in blocks of 256.
inline void add_packed(WrappedMoments& moments, const WrappedMoment& names, const Shape& shape,
                       std::vector<std::uint8_t> codes, std::vector<float> scales) {
  const auto count = std::int64_t(scales.size());
  moments.emplace_back(names.state, in_memory<std::uint8_t>("", shape, std::move(codes)));
  moments.emplace_back(names.map, in_memory<float>("", {256}, dynamic_map(names.state == "state1")));
  moments.emplace_back(names.scales, in_memory<float>("", {count}, std::move(scales)));
}
/// Both moments of a parameter, with codes of some kind.
inline WrappedMoments packed_moments(const Shape& shape, int seed = 0) {
  WrappedMoments moments;
  const auto n = std::size_t(numel(shape)), blocks = (n + 255) / 256;
  for (const auto& names : wrapped_moments) {
    std::vector<std::uint8_t> codes(n);
    std::vector<float> scales(blocks);
    for (std::size_t i = 0; i < n; ++i) codes[i] = std::uint8_t((i * i + 7 * i + std::size_t(seed)) % 251);
    for (std::size_t b = 0; b < blocks; ++b) {
      scales[b] = float(1e-3 * double(b + 1 + std::size_t(seed)));
      codes[b * 256] = 255;  // the largest number of a block is its scale
    }
    add_packed(moments, names, shape, std::move(codes), std::move(scales));
  }
  return moments;
}

/// What torch.save(AdamW8bit(..).state_dict()) leaves, with these moments for parameters 0, 1, ..
inline void write_wrapped(const std::filesystem::path& path, const std::vector<WrappedMoments>& parameters,
                          const std::vector<std::string>& names = {}, PickleDict options = wrapped_options()) {
  std::vector<JoinedTensor> tensors;
  PickleDict state, root;
  PickleList ids, all_names;
  for (const auto& moments : parameters) {
    PickleDict entry, inner;
    for (const auto& [key, tensor] : moments) {
      inner.set(key, PickleValue(torch_tensor(std::to_string(tensors.size()), tensor.dtype(), tensor.shape())));
      tensors.push_back(tensor);
    }
    entry.set("step", PickleValue(20));
    entry.set(wrapped_key, std::move(inner));
    state.set(std::int64_t(ids.values.size()), std::move(entry));
    ids.values.emplace_back(std::int64_t(ids.values.size()));
  }
  for (const auto& name : names) all_names.values.emplace_back(name);
  if (!names.empty()) options.set("param_names", std::move(all_names));
  options.set("params", std::move(ids));
  root.set("state", std::move(state));
  root.set("param_groups", PickleList{{PickleValue(std::move(options))}});
  detail::SegmentedFile file;
  detail::add_torch_archive(file, "archive/", root, std::move(tensors));
  file.write(path, Existing::replace, {});
}

}  // namespace modelgrow::testing
