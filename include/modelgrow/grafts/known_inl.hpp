// SPDX-License-Identifier: MIT
// Definitions of known.hpp.
#pragma once
#include <modelgrow/grafts/all.hpp>
#include <modelgrow/grafts/known.hpp>

namespace modelgrow::inline v0 {

namespace detail {
struct AppendKinds {
  std::vector<OperatorKind>& all;
  template <template <class T, class D> class Layer>
  void operator()() const {
    all.push_back(kind_of_operator<Graft<Layer>>());
  }
};
}  // namespace detail

MODELGROW_INLINE const std::vector<OperatorKind>& known_grafts() {
  static const std::vector<OperatorKind> all = [] {
    std::vector<OperatorKind> list;
    for_each_graft(detail::AppendKinds{list});
    return list;
  }();
  return all;
}

}  // namespace modelgrow::inline v0
