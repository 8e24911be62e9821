// SPDX-License-Identifier: MIT
// Defects on purpose in the kernels of the backend: a call whose kernel gets another size, stride or pointer than the
// launch code gave it, as if that, or the index that it enters, were wrong.
#pragma once
#include <string>
#include <vector>

#include <modelgrow/backend/cuda/operations.hpp>

#include "tests/cuda_on_host/support/calls_with_barriers.hpp"
#include "tests/support/parity.hpp"

namespace modelgrow::testing {

/// Launches what Change makes of each kernel.
template <class Exec, class Change>
struct PlantingExecutor {
  using Device = typename Exec::Device;
  template <class Kernel>
  static void launch(Kernel kernel) {
    if constexpr (requires { Change{}(kernel); }) Change{}(kernel);
    Exec::launch(kernel);
  }
  template <class... Operands>
  static void multiply(const Operands&... operands) {
    Exec::multiply(operands...);
  }
  template <class... Operands>
  static bool multiply_with(const Operands&... operands) {
    return Exec::multiply_with(operands...);
  }
};

/// A side of parity whose backend has the defect.
template <class Exec, class Change, class T>
struct PlantedSide : Side<T, typename Exec::Device, T> {
  static constexpr kernels::Operations<PlantingExecutor<Exec, Change>> backend{};
};

/// Where the call in type T is wrong, or nothing.
template <class Exec, class T, class Call, class Change>
std::string run_changed() {
  Side<double, Cpu, T> reference;
  Call{}(reference);
  PlantedSide<Exec, Change, T> side;
  Call{}(side);
  return difference(side.outcomes(), reference.outcomes(), arithmetic_error<T>, rounded_factor);
}

// Calls beside those of calls_with_barriers.hpp.

struct AddCall {
  template <class Side>
  void operator()(Side& side) const {
    auto *a = side.values(777, 1), *b = side.values(777, 2);
    side.backend.add(777, a, b, side.fresh(777));
  }
};
struct OddAddCall {
  template <class Side>
  void operator()(Side& side) const {
    auto *a = side.values(778, 1) + 1, *b = side.values(777, 2);
    side.backend.add(777, a, b, side.fresh(777));
  }
};
struct DepthwiseConvCall {
  template <class Side>
  void operator()(Side& side) const {
    constexpr TemporalConvSize size{2, 3, 20, 72, 72, 3, -1, TemporalConvSize::Kind::depthwise};
    constexpr std::int64_t values = 2 * 3 * 20 * 72;
    auto *x = side.values(values, 1), *w = side.values(72 * 3, 2), *b = side.values(72, 3);
    side.backend.temporal_conv(size, x, w, b, side.fresh(values));
  }
};
struct GateDxCall {
  template <class Side>
  void operator()(Side& side) const {
    constexpr ModulateSize size{2, 20, 64, 3};
    constexpr std::int64_t values = 2 * 20 * 64, vectors = 2 * 3 * 64;
    auto *branch = side.values(values, 1), *m = side.values(vectors, 2), *dy = side.values(values, 3);
    side.backend.gate_residual_dx(size, branch, m, 1, dy, side.fresh(values), side.statistics(vectors, 4));
  }
};
/// Of three tables, forward and backward.
struct ModulationCall {
  template <class Side>
  void operator()(Side& side) const {
    using T = typename Side::Element;
    constexpr ModulateSize size{2, 0, 40, 2};
    constexpr std::int64_t row = 2 * 40, vectors = 2 * 3 * row;
    std::vector<const T*> tables;
    std::vector<Stat<T>*> dtables;
    for (const std::uint64_t i : {0, 1, 2}) {
      tables.push_back(side.values(row, 1 + i));
      dtables.push_back(side.statistics(row, 4 + i));
    }
    side.backend.template modulation<T>(size, 40, tables, side.values(2 * row, 7), side.fresh(vectors));
    side.backend.template modulation_dx<T>(size, 40, side.values(vectors, 8), dtables, side.fresh(2 * row),
                                           Write::overwrite);
  }
};
struct NormModulateDxCall {
  template <class Side>
  void operator()(Side& side) const {
    constexpr ModulateSize size{2, 70, 64, 3};
    constexpr std::int64_t rows = 2 * 70, values = rows * 64, vectors = 2 * 3 * 64;
    auto *x = side.values(values, 1), *m = side.values(vectors, 2), *dy = side.values(values, 3);
    auto *mean = side.statistics(rows, 4, 0.1), *rstd = side.statistics(rows, 5);
    side.backend.norm_modulate_dx(size, x, m, 0, 2, mean, rstd, dy, side.fresh(values), Write::overwrite,
                                  side.statistics(vectors, 6));
  }
};
struct ResidualNormCall {
  template <class Side>
  void operator()(Side& side) const {
    constexpr ModulateSize size{2, 5, 64, 3};
    constexpr std::int64_t rows = 2 * 5, values = rows * 64, vectors = 2 * 3 * 64;
    auto *x = side.values(values, 1), *branch = side.values(values, 2), *m = side.values(vectors, 3);
    auto* sum = side.fresh(values);
    side.backend.residual_norm_modulate(size, 1e-6, x, branch, m, 1, 0, 2, sum, side.fresh(values),
                                        side.fresh_statistics(rows), side.fresh_statistics(rows));
  }
};
struct CollectAllCall {
  template <class Side>
  void operator()(Side& side) const {
    using S = Stat<typename Side::Element>;
    std::vector<Addend<S>> addends;
    for (const std::int64_t size : {9001, 13, 9001})  // two chunks, one, two
      addends.push_back({.size = size,
                         .x = side.statistics(size, addends.size() + 1),
                         .sum = side.statistics(size, addends.size() + 4)});
    side.backend.template collect_all<typename Side::Element>(std::span<const Addend<S>>(addends));
  }
};
/// In float, where nothing is rounded beside the weights.
struct AdamWCall {
  template <class Side>
  void operator()(Side& side) const {
    using T = typename Side::Element;
    std::vector<AdamWUpdate<T>> updates;
    for (const std::int64_t size : {9001, 13, 9001}) {
      const std::uint64_t stream = 10 * updates.size();
      updates.push_back({.lr = 1e-2,
                         .eps = 1e-6,
                         .decay = 1e-3,
                         .correction1 = 0.271,
                         .correction2 = 0.0297,
                         .rows = 1,
                         .columns = size,
                         .lr_columns = nullptr,
                         .eps_rows = nullptr,
                         .w = side.values(size, stream + 1),
                         .master = nullptr,
                         .gradient = side.statistics(size, stream + 2),
                         .m = side.statistics(size, stream + 3),
                         .v = side.positive_statistics(size, stream + 4),
                         .average = nullptr});
    }
    side.backend.template adamw<T>({.beta1 = 0.9, .beta2 = 0.99, .average_rate = 0},
                                   side.given(std::vector{Stat<T>(0.5f)}), updates);
  }
};

}  // namespace modelgrow::testing
