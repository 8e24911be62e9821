// SPDX-License-Identifier: MIT
// One call of a backend function, run twice on the same numbers: on a device, and in double on the CPU as reference.
#pragma once
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/core/tensor.hpp>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "tests/support/catch.hpp"

namespace modelgrow::testing {

/// An array after the call, and the relative rounding of its type.
struct Outcome {
  std::vector<double> values;
  double rounding;
};

/// A number rounded to the storage type T, as U.
template <class U, class T>
U stored(double v) {
  if constexpr (std::same_as<T, bf16>)
    return U(float(bf16(float(v))));
  else
    return U(T(v));
}

/// The operands of one side: elements U on device D, holding numbers that storage type T can represent. After the call
/// every array is compared, inputs too, since nothing may change them.
template <class U, class D, class T>
class Side {
 public:
  using Element = U;
  [[no_unique_address]] Backend<D> backend;
  static constexpr bool is_reference = std::same_as<D, Cpu>;

  /// Standard normal numbers, times `scale`; every stream gives other ones.
  U* values(std::int64_t n, std::uint64_t stream, double scale = 1.0) { return keep(random<U, T>(n, stream, scale)); }
  /// The same in the type of statistics and moments.
  Stat<U>* statistics(std::int64_t n, std::uint64_t stream, double scale = 1.0) {
    return keep(random<Stat<U>, Stat<T>>(n, stream, scale));
  }
  /// Squares of such numbers: second moments.
  Stat<U>* positive_statistics(std::int64_t n, std::uint64_t stream) {
    auto t = random<Stat<U>, Stat<T>>(n, stream, 1.0);
    for (std::int64_t i = 0; i < n; ++i) t.data()[i] = stored<Stat<U>, Stat<T>>(t.data()[i] * t.data()[i]);
    return keep(t);
  }
  /// Memory that the call has to overwrite: not a number.
  U* fresh(std::int64_t n) { return keep(constant<U>(n)); }
  Stat<U>* fresh_statistics(std::int64_t n) { return keep(constant<Stat<U>>(n)); }
  template <class V>
  V* given(const std::vector<V>& v) {
    return keep(Tensor<V, Cpu>::from({std::int64_t(v.size())}, v));
  }
  /// A number that the call returned.
  void returned(double v) {
    results_.push_back([v] { return Outcome{.values = {v}, .rounding = 0}; });
  }

  std::vector<Outcome> outcomes() const {
    std::vector<Outcome> all;
    for (const auto& result : results_) all.push_back(result());
    return all;
  }

 private:
  template <class V, class Stored>
  static Tensor<V, Cpu> random(std::int64_t n, std::uint64_t stream, double scale) {
    Tensor<V, Cpu> t(Shape{n});
    const Rng rng(5, stream);
    for (std::int64_t i = 0; i < n; ++i) t.data()[i] = stored<V, Stored>(scale * rng.normal(std::uint64_t(i)));
    return t;
  }
  template <class V>
  static Tensor<V, Cpu> constant(std::int64_t n) {
    Tensor<V, Cpu> t(Shape{n});
    for (std::int64_t i = 0; i < n; ++i) t.data()[i] = V(std::nanf(""));
    return t;
  }
  template <class V>
  V* keep(const Tensor<V, Cpu>& host) {
    const Tensor<V, D> t = to_device<D>(host);
    results_.push_back([t] {
      const auto back = to_cpu(t);
      Outcome outcome{.values = {}, .rounding = std::same_as<V, bf16> ? 0x1p-8 : 0.0};
      for (const V& v : back.span()) outcome.values.push_back(static_cast<double>(as_number(v)));
      return outcome;
    });
    return t.data();
  }
  static float as_number(bf16 v) { return float(v); }
  template <class V>
  static V as_number(V v) {
    return v;
  }
  std::vector<std::function<Outcome()>> results_;
};

/// Relative error that the arithmetic in Stat<T> may add to the rounding of the result.
template <class T>
inline constexpr double arithmetic_error = std::same_as<T, double> ? 1e-12 : 1e-5;

/// What a result may differ by besides.
struct Allowance {
  double factor = 0;  // of the largest of an array in 16 bits
  double terms = 0;   // the size of terms that cancel, where they leave nothing to compare with
};
/// A product of which a factor has itself been rounded to bf16, by 2^-9 at most: the errors of its terms are
/// independent, so that they do not grow with the sum.
inline constexpr Allowance rounded_factor{.factor = 0x1p-9};
/// An activation of a value that has itself been rounded to bf16, by 2^-8 at most; its slope, at most 1.13, is that of
/// large results too.
inline constexpr Allowance rounded_argument{.factor = 1.25 * 0x1p-8};

/// Devices that have several ways to run the same kernel specialise this.
template <class D>
struct Modes {
  template <class F>
  static void for_each(F&& f) {
    f();
  }
};

/// Where two sides differ by more than rounding, in words; empty when they agree. Values that are not numbers (memory
/// that nobody wrote) must be so on both sides. Arrays in bf16 may differ by the allowance more.
inline std::string difference(const std::vector<Outcome>& device, const std::vector<Outcome>& reference, double error,
                              const Allowance& allowance = {}) {
  for (std::size_t a = 0; a < reference.size(); ++a) {
    const auto &x = device.at(a).values, &y = reference[a].values;
    if (x.size() != y.size()) return "array " + std::to_string(a) + " has another size";
    const double relative = error + (device[a].rounding > 0 ? allowance.factor : 0);
    double largest = allowance.terms;
    for (const double v : y) largest = std::isfinite(v) ? std::max(largest, std::abs(v)) : largest;
    for (std::size_t i = 0; i < y.size(); ++i) {
      const bool same = !std::isfinite(y[i])
                            ? x[i] == y[i] || (std::isnan(x[i]) && std::isnan(y[i]))
                            : std::abs(x[i] - y[i]) <= device[a].rounding * std::abs(y[i]) + relative * largest;
      if (!same)
        return "array " + std::to_string(a) + " element " + std::to_string(i) + ": " + std::to_string(x[i]) +
               ", reference " + std::to_string(y[i]);
    }
  }
  return {};
}

/// Checks that call(side) leaves the same numbers on device D in type T as on the CPU in double.
template <class D, class T, class Call>
void check_parity(const std::string& what, const Allowance& allowance, Call call) {
  Side<double, Cpu, T> reference;
  call(reference);
  Modes<D>::for_each([&] {
    Side<T, D, T> device;
    call(device);
    CAPTURE(what);
    CHECK(difference(device.outcomes(), reference.outcomes(), arithmetic_error<T>, allowance) == "");
  });
}
template <class D, class T, class Call>
void check_parity(const std::string& what, Call call) {
  check_parity<D, T>(what, Allowance{}, call);
}

/// Whether a call leaves the same bits in every mode of the device; where that has one, twice in it.
template <class D, class T, class Call>
void check_same_bits(Call call) {
  std::vector<std::vector<Outcome>> runs;
  const auto run = [&] {
    Side<T, D, T> side;
    call(side);
    runs.push_back(side.outcomes());
  };
  Modes<D>::for_each(run);
  if (runs.size() == 1) run();
  for (const auto& other : runs)
    for (std::size_t a = 0; a < other.size(); ++a) CHECK(other[a].values == runs[0][a].values);
}
/// Whether two calls leave the same bits.
template <class D, class T, class Call, class Other>
void check_same_bits(Call call, Other other) {
  Side<T, D, T> side, other_side;
  call(side);
  other(other_side);
  const auto outcomes = side.outcomes(), expected = other_side.outcomes();
  REQUIRE(outcomes.size() == expected.size());
  for (std::size_t a = 0; a < expected.size(); ++a) CHECK(outcomes[a].values == expected[a].values);
}

}  // namespace modelgrow::testing
