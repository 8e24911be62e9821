// SPDX-License-Identifier: MIT
// The optimizer of a device against the CPU: lists of tensors of any size at even and odd addresses, more than one
// launch takes, with and without multipliers, masters and averages.
#pragma once
#include "tests/support/parity.hpp"

namespace modelgrow::testing {

template <class D, class T>
void check_sums_of_squares() {
  const std::vector<std::vector<std::int64_t>> lists{
      {}, {0}, {1}, {1000, 0, 40000, 7, 33000}, std::vector<std::int64_t>(1030, 2)};
  for (const auto& sizes : lists)
    check_parity<D, T>("sum_of_squares of " + std::to_string(sizes.size()), [&](auto& side) {
      using U = typename std::remove_reference_t<decltype(side)>::Element;
      std::vector<std::span<const Stat<U>>> tensors;
      for (std::size_t i = 0; i < sizes.size(); ++i)
        tensors.emplace_back(side.statistics(sizes[i] + 1, i + 1) + i % 2, std::size_t(sizes[i]));
      side.backend.template sum_of_squares<U>(tensors, side.given(std::vector<double>{0.5}));
    });
}

template <class D, class T>
void check_clipping() {
  for (const double sum : {0.0, 4.0, 1e6, std::numeric_limits<double>::infinity(), std::nan("")})
    for (const double longest : {3.0, std::numeric_limits<double>::infinity()})
      check_parity<D, T>("clipping", [&](auto& side) {
        using U = typename std::remove_reference_t<decltype(side)>::Element;
        side.backend.template clipping<U>(longest, side.given(std::vector<double>{sum}), side.fresh_statistics(1));
      });
}

/// A tensor in a step: its size, and what it comes with.
struct AdamWCase {
  std::int64_t rows, columns;
  int lr = 0, eps = 0, average = 0, odd = 0;
};

template <class D, class T>
void check_adamw(const std::string& what, const std::vector<AdamWCase>& cases, double clipped) {
  check_parity<D, T>("adamw, " + what, [&](auto& side) {
    using Side = std::remove_reference_t<decltype(side)>;
    using U = typename Side::Element;
    std::vector<AdamWUpdate<U>> updates;
    std::vector<std::pair<const U*, std::pair<U*, std::int64_t>>> copies;  // weights in 16 bits, of the reference
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const AdamWCase& c = cases[i];
      const std::int64_t n = c.rows * c.columns, stored = n + c.odd;
      const auto stream = 10 * i;
      AdamWUpdate<U> u{.lr = 1e-2,
                       .eps = 1e-6,
                       .decay = 1e-3,
                       .correction1 = 0.271,
                       .correction2 = 0.0297,
                       .rows = c.rows,
                       .columns = c.columns,
                       .lr_columns = c.lr ? side.positive_statistics(c.columns, stream + 5) : nullptr,
                       .eps_rows = c.eps ? side.positive_statistics(c.rows, stream + 6) : nullptr,
                       .w = nullptr,
                       .master = nullptr,
                       .gradient = side.statistics(stored, stream + 2) + c.odd,
                       .m = side.statistics(stored, stream + 3) + c.odd,
                       .v = side.positive_statistics(stored, stream + 4) + c.odd,
                       .average = c.average ? side.statistics(stored, stream + 7) + c.odd : nullptr};
      if constexpr (sizeof(T) > 2) {
        u.w = side.values(stored, stream + 1) + c.odd;
      } else if constexpr (Side::is_reference) {  // the master weights, whose copy only differs by rounding
        u.w = side.statistics(stored, stream + 1) + c.odd;
        copies.push_back({u.w, {side.fresh(stored) + c.odd, n}});
      } else {
        u.master = side.statistics(stored, stream + 1) + c.odd;
        u.w = side.fresh(stored) + c.odd;
      }
      updates.push_back(u);
    }
    const AdamWStep step{.beta1 = 0.9, .beta2 = 0.99, .average_rate = 0.125};
    side.backend.template adamw<U>(step, side.given(std::vector{Stat<U>(clipped)}), updates);
    if (!std::isnan(clipped))
      for (const auto& [from, to] : copies) std::copy_n(from, to.second, to.first);
  });
}

template <class D, class T>
void check_adamw() {
  std::vector<AdamWCase> cases{{.rows = 1, .columns = 1}, {.rows = 0, .columns = 3}, {.rows = 91, .columns = 103}};
  for (const int odd : {0, 1})
    for (const int with : {0, 1, 2, 3})
      cases.push_back({.rows = 7, .columns = 45, .lr = with % 2, .eps = with / 2, .average = with != 2, .odd = odd});
  check_adamw<D, T>("tensors of all kinds", cases, 0.5);
  check_adamw<D, T>("a gradient that is no number", {{.rows = 7, .columns = 5, .average = 1}}, std::nan(""));
  check_adamw<D, T>("more tensors than a table has room for", std::vector<AdamWCase>(310, {.rows = 1, .columns = 2}),
                    0.5);
  check_adamw<D, T>("no tensors", {}, 0.5);
}

/// Sums have an order that sizes alone decide.
template <class D>
void check_bits_of_sums() {
  check_same_bits<D, float>([](auto& side) {
    std::vector<std::span<const float>> tensors;
    for (const std::int64_t n : {40000, 5, 1000}) tensors.emplace_back(side.statistics(n, std::uint64_t(n)), n);
    side.backend.template sum_of_squares<float>(tensors, side.given(std::vector<double>{0.5}));
  });
  check_same_bits<D, bf16>([](auto& side) {
    auto* x = side.values(1100 * 304, 1);
    side.backend.column_sum(1100, 304, x, side.statistics(304, 2));
  });
}

template <class D, class T>
void check_optimizer() {
  check_sums_of_squares<D, T>();
  check_clipping<D, T>();
  check_adamw<D, T>();
}

}  // namespace modelgrow::testing
