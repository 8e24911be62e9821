// SPDX-License-Identifier: MIT
// Named tensors in host memory, and their growth: how live models, optimizers and averages are grown.
#pragma once
#include <map>
#include <string>
#include <vector>

#include <modelgrow/grow/apply.hpp>
#include <modelgrow/grow/optimizer_outputs.hpp>

namespace modelgrow::inline v0 {

/// A tensor in host memory whose type is known at run time.
struct HostTensor {
  DType dtype = DType::f32;
  Shape shape;
  std::vector<std::byte> bytes;
  bool operator==(const HostTensor&) const = default;
};
/// Tensors by name.
using StateDict = std::map<std::string, HostTensor, std::less<>>;

namespace detail {

inline std::vector<TensorView> views_of(const StateDict& state) {
  std::vector<TensorView> views;
  for (const auto& [name, t] : state)
    views.push_back(
        TensorView{.name = name, .dtype = t.dtype, .shape = t.shape, .data = t.bytes.data(), .bytes = t.bytes.size()});
  return views;
}

inline StateDict make(const Plan& plan, const TensorSet& set, std::span<const Output> outputs,
                      const Progress& progress) {
  StateDict grown;
  std::vector<HostTensor*> tensors;
  for (const auto& o : outputs) {
    auto& t = grown[o.target.name] = HostTensor{.dtype = o.target.dtype, .shape = o.target.shape, .bytes = {}};
    t.bytes.reserve(std::size_t(byte_size(t.dtype, t.shape).value()));
    tensors.push_back(&t);
  }
  const auto append = [&](std::size_t i, std::span<const std::byte> b) {
    tensors[i]->bytes.insert(tensors[i]->bytes.end(), b.begin(), b.end());
  };
  apply(plan, set, outputs, append, progress);
  return grown;
}

}  // namespace detail

/// Grown weights, or averaged weights with Absent::leave_out. Throws format_error.
inline StateDict grow_weights(const Plan& plan, const StateDict& state, Absent absent = Absent::refuse,
                              const Progress& progress = {}) {
  const auto views = detail::views_of(state);
  const TensorSet set(views, "state");
  return detail::make(plan, set, weight_outputs(plan, set, absent), progress);
}
/// Grown optimizer state, by the names of optimizer_state.hpp. Throws format_error.
inline StateDict grow_optimizer(const Plan& plan, const StateDict& state, const Progress& progress = {}) {
  const auto views = detail::views_of(state);
  const TensorSet set(views, "optimizer state");
  return detail::make(plan, set, optimizer_outputs(plan, set), progress);
}

}  // namespace modelgrow::inline v0
