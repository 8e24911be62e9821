// SPDX-License-Identifier: MIT
// Rows of a model's parameters, described like a model: what one rank steps, averages and keeps state for.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/core/describe.hpp>
#include <modelgrow/train/row_range.hpp>

namespace modelgrow::inline v0 {

/// Parameters under the paths and with the axes of those of a model, with some of their rows: values share memory.
template <class T, Device D>
struct Parts {
  struct Part {
    std::string path;
    Parameter<T, D> parameter;
  };
  std::vector<Part> parts;

  static void describe(auto& self, auto& v) {
    for (auto& part : self.parts) v(part.path, part.parameter);
  }

  /// A parameter that is not shared.
  void add(const std::string& path, const Parameter<T, D>& p) { parts.push_back(Part{.path = path, .parameter = p}); }
  /// These rows of a parameter, with their gradient if `gradient` is defined.
  void add(const std::string& path, const Parameter<T, D>& p, RowRange rows, const Tensor<Stat<T>, D>& gradient) {
    Part part{.path = path, .parameter = {}};
    part.parameter.info = p.info;
    part.parameter.state = p.state;
    part.parameter.value = only_rows(p.value, rows);
    if (gradient.defined()) part.parameter.gradient = only_rows(gradient, rows);
    parts.push_back(std::move(part));
  }
};

/// Those rows of a model's parameters that a rank has; `prefix` leads to the model in the paths of `rows`.
template <class T, Device D, class M>
Parts<T, D> held_parts(const M& model, const std::string& prefix, const RowsByPath& rows) {
  Parts<T, D> parts;
  for_each_parameter(model, [&](const std::string& name, const Parameter<T, D>& p) {
    const auto held = held_rows(rows, prefix + name);
    if (!held)
      parts.add(name, p);
    else if (held->size() > 0)
      parts.add(name, p, *held, {});
  });
  return parts;
}

}  // namespace modelgrow::inline v0
