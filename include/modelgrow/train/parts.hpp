// SPDX-License-Identifier: MIT
// Rows of a model's parameters, described like a model: what one rank steps, averages and keeps state for.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/core/describe.hpp>
#include <modelgrow/train/buckets.hpp>

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

  /// Rows [first, last) of a tensor (elements, for a tensor of one axis); the tensor itself when these are all.
  template <class U>
  static Tensor<U, D> rows(const Tensor<U, D>& whole, std::int64_t first, std::int64_t last) {
    Shape shape = whole.shape();
    if (shape.rank() == 0 || last - first == shape[0]) return whole;
    const std::int64_t columns = matrix_size(shape).columns;
    shape[0] = last - first;
    return whole.view(first * columns, shape);
  }

  /// A parameter that is not shared.
  void add(const std::string& path, const Parameter<T, D>& p) { parts.push_back(Part{.path = path, .parameter = p}); }
  /// These rows of a parameter, with their gradient if `gradient` is defined.
  void add(const std::string& path, const Parameter<T, D>& p, std::int64_t first, std::int64_t last,
           const Tensor<Stat<T>, D>& gradient) {
    Part part{.path = path, .parameter = {}};
    part.parameter.info = p.info;
    part.parameter.state = p.state;
    part.parameter.value = rows(p.value, first, last);
    if (gradient.defined()) part.parameter.gradient = rows(gradient, first, last);
    parts.push_back(std::move(part));
  }
};

}  // namespace modelgrow::inline v0
