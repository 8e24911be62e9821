// SPDX-License-Identifier: MIT
// The elements of grown tensors: the same bits on every processor, in every piece, and as a plain definition has them.
#include <modelgrow/grow/kernel.hpp>
#include <modelgrow/grow/plan.hpp>

#include "run_kernel.hpp"
#include "tests/support/catch.hpp"

using namespace modelgrow;
using namespace modelgrow::detail;

template <Element T>
std::vector<T> tiny::run_kernel(const Recipe& recipe, Of of, const T* source, std::int64_t begin, std::int64_t end,
                                std::int64_t piece) {
  const Kernel kernel(recipe, of);
  const Source<T> read{.data = reinterpret_cast<const std::byte*>(source)};
  std::vector<T> out(std::size_t(end - begin));
  for (std::int64_t at = begin, n = 0; at < end; at += n) {
    n = std::min(piece, end - at);
    kernel.run(read, at, at + n, out.data() + (at - begin));
  }
  return out;
}
template std::vector<double> tiny::run_kernel(const Recipe&, Of, const double*, std::int64_t, std::int64_t,
                                              std::int64_t);
template std::vector<float> tiny::run_kernel(const Recipe&, Of, const float*, std::int64_t, std::int64_t, std::int64_t);
template std::vector<f16> tiny::run_kernel(const Recipe&, Of, const f16*, std::int64_t, std::int64_t, std::int64_t);
template std::vector<bf16> tiny::run_kernel(const Recipe&, Of, const bf16*, std::int64_t, std::int64_t, std::int64_t);

namespace {

constexpr std::int64_t old_size = 40;

/// So many copies of the first units: all have `least`, the first ones one more.
SpaceMap copies_of_units(std::int64_t to) {
  SpaceMap map{.space = "units", .old_size = old_size, .from = {}, .split = {}};
  for (std::int64_t j = 0; j < to; ++j) map.from.push_back(j % old_size);
  for (const auto i : map.from) map.split.push_back(1.0 / double((to - i + old_size - 1) / old_size));
  return map;
}
/// A weight [6, 40, behind] whose columns are shared by copies.
Plan widened(DType type, std::int64_t behind, std::int64_t to, double noise_db) {
  Schema s;
  s.family = "weight";
  s.spaces.push_back(SpaceSpec{.space = {.name = "units", .size = old_size}});
  Axes axes{{Role::fixed, 6}, {Role::in, Space{.name = "units", .size = old_size}}};
  if (behind > 1) axes.push_back({Role::fixed, behind});
  s.parameters.push_back({.name = "w", .dtype = type, .info = {.axes = axes}});
  Plan plan(s);
  plan.remap({copies_of_units(to)}, Noise{.db = noise_db, .seed = 5});
  return plan;
}
template <Element T>
std::vector<T> values(std::int64_t n) {
  std::vector<T> w;
  const Rng rng(8);
  for (std::int64_t i = 0; i < n; ++i) w.push_back(element_cast<T>(rng.uniform(std::uint64_t(i)) - 0.5));
  return w;
}
template <Element T>
std::vector<T> grown(const Plan& plan, std::int64_t piece) {
  const Recipe r = plan.recipe(0);
  const auto w = values<T>(numel(r.stored()));
  return tiny::run_kernel<T>(r, Of::weights, w.data(), 0, numel(r.shape), piece);
}
template <Element T>
std::uint64_t hash_of(const std::vector<T>& v) {
  return hash_name({reinterpret_cast<const char*>(v.data()), v.size() * sizeof(T)});
}

}  // namespace

TEMPLATE_TEST_CASE("copies of a column add up to it, however many and however uneven", "", double, float, f16, bf16) {
  for (const std::int64_t behind : {1, 3, 100})
    for (const std::int64_t to : {40, 55, 80, 120, 170, 250})
      for (const double db : {0.0, 20.0}) {
        const Plan plan = widened(dtype_of<TestType>, behind, to, db);
        const auto whole = grown<TestType>(plan, 1 << 20);
        CHECK(grown<TestType>(plan, 37) == whole);
        const auto before = values<TestType>(6 * old_size * behind);
        std::vector<double> sum(before.size());
        for (std::int64_t row = 0; row < 6; ++row)
          for (std::int64_t j = 0; j < to; ++j)
            for (std::int64_t q = 0; q < behind; ++q)
              sum[std::size_t((row * old_size + j % old_size) * behind + q)] +=
                  element_cast<double>(whole[std::size_t((row * to + j) * behind + q)]);
        std::int64_t wrong = 0, alike = 0;
        for (std::size_t i = 0; i < sum.size(); ++i) wrong += sum[i] != element_cast<double>(before[i]);
        for (std::int64_t q = 0; to > old_size && q < behind; ++q)
          alike += whole[std::size_t(q)] == whole[std::size_t(old_size * behind + q)];
        INFO(behind << " behind, to " << to << ", " << db << " dB");
        CHECK(wrong == 0);
        if (db > 0) CHECK(alike <= behind / 10);
      }
}

TEST_CASE("noise has the same bits on every processor") {
  CHECK(hash_of(grown<double>(widened(DType::f64, 1, 80, 20), 100)) == 0xd8b8a0daf3203058);
  CHECK(hash_of(grown<float>(widened(DType::f32, 1, 120, 20), 100)) == 0x80c65ac0105f72c6);
  CHECK(hash_of(grown<f16>(widened(DType::f16, 3, 55, 15), 100)) == 0x9239a748064df65);
  CHECK(hash_of(grown<bf16>(widened(DType::bf16, 1, 250, 30), 100)) == 0x80ecdb0b64a5e4e2);
}
