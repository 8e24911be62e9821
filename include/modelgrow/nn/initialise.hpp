// SPDX-License-Identifier: MIT
// Fresh values for every parameter of a described model, from its own Init and a stream keyed by its path.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include <modelgrow/core/describe.hpp>
#include <modelgrow/core/rng.hpp>

namespace modelgrow::inline v0 {

/// Values of one parameter as `init` asks, in double; a pure function of (seed, path).
inline std::vector<double> initial_values(const ParamInfo& info, std::uint64_t seed, const std::string& path) {
  const Shape shape = shape_of(info.axes);
  const std::int64_t n = numel(shape);
  const Rng rng(seed, hash_name(path));
  const double fan_out = shape.rank() ? double(shape[0]) : 1.0, fan_in = double(n) / fan_out;
  const double bound = info.init.scale * std::sqrt(6.0 / (fan_in + fan_out));
  std::vector<double> values(std::size_t(n), 0.0);
  for (std::int64_t i = 0; i < n; ++i) switch (info.init.kind) {
      case Init::Kind::zeros:
        break;
      case Init::Kind::constant:
        values[std::size_t(i)] = info.init.scale;
        break;
      case Init::Kind::normal:
        values[std::size_t(i)] = info.init.scale * rng.normal(std::uint64_t(i));
        break;
      case Init::Kind::xavier_uniform:
        values[std::size_t(i)] = bound * (2.0 * rng.uniform(std::uint64_t(i)) - 1.0);
        break;
    }
  return values;
}

/// Writes host doubles into a device tensor, rounding to its type.
template <class T, Device D>
void assign(Tensor<T, D>& tensor, const std::vector<double>& values) {
  std::vector<T> host;
  host.reserve(values.size());
  for (double v : values) host.push_back(static_cast<T>(static_cast<float>(v)));
  if constexpr (std::same_as<T, double>) host.assign(values.begin(), values.end());
  D::from_host(tensor.data(), host.data(), tensor.bytes());
}

/// Fills every parameter, and every buffer whose content is random (tables keep what their constructor computed).
void initialise(auto& model, std::uint64_t seed) {
  for_each_parameter(model, [&](const std::string& path, auto& p) {
    const bool table = p.info.purpose == Purpose::buffer && p.info.init == Init::zeros();
    if (!table) assign(p.value, initial_values(p.info, seed, path));
  });
}

}  // namespace modelgrow::inline v0
