// SPDX-License-Identifier: MIT
// Runs of the small network as torch would have saved them.
#pragma once
#include <modelgrow/checkpoint/stored_optimizer.hpp>

#include "optimizer_run.hpp"

namespace torch_run {
using namespace modelgrow;
using run::Trained;

inline Trained trained(std::string_view what) {
  const auto all = run::cases();
  return Trained(*std::ranges::find(all, what, [](const run::Case& c) { return std::string_view(c.what); }));
}

/// As the classes of torch have them.
inline PickleDict options_of(Optimizer o) {
  PickleDict d;
  d.set("lr", PickleValue(0.01));
  d.set("weight_decay", PickleValue(0.1));
  if (o == Optimizer::adamw || o == Optimizer::adam) {
    d.set("betas", PickleTuple{{PickleValue(0.9), PickleValue(0.999)}});
    d.set("eps", PickleValue(1e-8));
    d.set("amsgrad", PickleValue(false));
    d.set("decoupled_weight_decay", PickleValue(o == Optimizer::adamw));
  } else if (o == Optimizer::sgd) {
    for (const char* key : {"momentum", "dampening"}) d.set(key, PickleValue(0.9));
    d.set("nesterov", PickleValue(false));
  } else if (o == Optimizer::adafactor) {
    for (const char* key : {"beta2_decay", "d"}) d.set(key, PickleValue(1.0));
  } else if (o == Optimizer::muon) {
    d.set("ns_coefficients", PickleTuple{{PickleValue(3.4445)}});
    d.set("ns_steps", PickleValue(5));
    d.set("adjust_lr_fn", PickleValue());
  }
  return d;
}

/// The bytes of a tensor in memory, which stays where it is.
inline JoinedTensor tensor_of(const std::string& name, const HostTensor& t) {
  return {NamedShape{.name = name, .dtype = t.dtype, .shape = t.shape},
          [&t](std::uint64_t begin, std::span<std::byte> out) {
            std::copy_n(t.bytes.begin() + std::ptrdiff_t(begin), out.size(), out.begin());
          }};
}
inline std::vector<std::byte> bytes_of(const JoinedTensor& t) {
  std::vector<std::byte> bytes(std::size_t(t.bytes()));
  t.read(0, bytes);
  return bytes;
}

/// What torch would have saved of an optimizer with these groups of parameters.
inline StoredOptimizer stored(const StateDict& state, Optimizer o,
                              const std::vector<std::vector<std::string>>& groups) {
  StoredOptimizer s;
  s.tell(name(o));
  for (const auto& names : groups) {
    auto& group = s.groups.emplace_back();
    group.options = options_of(o);
    for (const auto& parameter : names) {
      group.parameters.push_back(s.parameters.size());
      auto& p = s.parameters.emplace_back();
      p.name = parameter;
      for (const auto& e : s.is.kind->entries)
        if (const auto it = state.find(state_name(o, e.here, parameter)); it != state.end())
          p.entries.push_back({.name = std::string(e.name), .tensor = tensor_of(std::string(e.name), it->second)});
    }
  }
  return s;
}

inline std::vector<std::string> parameter_names(const Schema& s) {
  std::vector<std::string> names;
  for (const auto& p : s.parameters) names.push_back(p.name);
  return names;
}
inline std::vector<std::string> matrices(const Schema& s, bool yes) {
  std::vector<std::string> names;
  for (const auto& p : s.parameters)
    if ((p.shape().rank() > 1) == yes) names.push_back(p.name);
  return names;
}

}  // namespace torch_run
