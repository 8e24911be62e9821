// SPDX-License-Identifier: MIT
// Matrix products against their definition, for sizes on both sides of every tile, panel and block edge.
#include <modelgrow/backend/cpu.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/random.hpp"
#include "tests/support/same_bits.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

// start + a b, element (i, k) of a at a[i * a_row + k * a_step], (k, j) of b at b[k * b_step + j * b_column].
template <class T>
Tensor<double, Cpu> product(std::int64_t rows, std::int64_t columns, std::int64_t depth, const T* a, std::int64_t a_row,
                            std::int64_t a_step, const T* b, std::int64_t b_step, std::int64_t b_column) {
  auto c = Tensor<double, Cpu>::zeros({rows, columns});
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t k = 0; k < depth; ++k)
      for (std::int64_t j = 0; j < columns; ++j)
        c.data()[i * columns + j] += double(a[i * a_row + k * a_step]) * double(b[k * b_step + j * b_column]);
  return c;
}

}  // namespace

TEMPLATE_TEST_CASE("linear and its gradients are matrix products", "", float, double) {
  using B = Backend<Cpu>;
  using T = TestType;
  const double tolerance = std::is_same_v<T, float> ? 2e-6 : 1e-14;
  const LinearSize sizes[] = {{1, 1, 1},   {2, 5, 3},     {7, 16, 48},  {8, 17, 49},    {9, 33, 64},
                              {64, 96, 7}, {130, 40, 65}, {3, 600, 97}, {600, 19, 130}, {1030, 8, 1}};
  for (const LinearSize& s : sizes) {
    CAPTURE(s.rows, s.in, s.out);
    const auto x = random_tensor<T>({s.rows, s.in}, 1), w = random_tensor<T>({s.out, s.in}, 2);
    const auto b = random_tensor<T>({s.out}, 3), dy = random_tensor<T>({s.rows, s.out}, 4);
    Tensor<T, Cpu> y({s.rows, s.out}), dx({s.rows, s.in});

    auto expected = product(s.rows, s.out, s.in, x.data(), s.in, 1, w.data(), 1, s.in);
    B::linear<T>(s, x.data(), w.data(), nullptr, y.data());
    CHECK(relative_error(y, expected) < tolerance);
    for (std::int64_t i = 0; i < y.size(); ++i) expected.data()[i] += double(b.data()[i % s.out]);
    B::linear<T>(s, x.data(), w.data(), b.data(), y.data());
    CHECK(relative_error(y, expected) < tolerance);

    expected = product(s.rows, s.in, s.out, dy.data(), s.out, 1, w.data(), s.in, 1);
    B::linear_dx<T>(s, dy.data(), w.data(), dx.data(), Write::overwrite);
    CHECK(relative_error(dx, expected) < tolerance);
    B::linear_dx<T>(s, dy.data(), w.data(), dx.data(), Write::add);
    for (double& v : expected.span()) v *= 2;
    CHECK(relative_error(dx, expected) < tolerance);

    expected = product(s.out, s.in, s.rows, dy.data(), 1, s.out, x.data(), s.in, 1);
    auto dw = random_tensor<T>({s.out, s.in}, 5);
    for (std::int64_t i = 0; i < dw.size(); ++i) expected.data()[i] += double(dw.data()[i]);
    const auto dw_alone = dw.clone();
    B::linear_dw<T>(s, dy.data(), x.data(), dw_alone.data(), nullptr);
    CHECK(relative_error(dw_alone, expected) < tolerance);

    auto sum = Tensor<double, Cpu>::zeros({s.out});
    for (std::int64_t i = 0; i < dy.size(); ++i) sum.data()[i % s.out] += double(dy.data()[i]);
    auto db = Tensor<T, Cpu>::zeros({s.out}), db_alone = Tensor<T, Cpu>::zeros({s.out});
    B::column_sum<T>(s.rows, s.out, dy.data(), db.data());
    CHECK(relative_error(db, sum) < tolerance * 10);
    B::linear_dw<T>(s, dy.data(), x.data(), nullptr, db_alone.data());
    CHECK(same_bits(db_alone, db));
    B::linear_dw<T>(s, dy.data(), x.data(), dw.data(), db.data());
    CHECK(same_bits(dw, dw_alone));
    CHECK(same_bits(db, db_alone));
  }
}

TEST_CASE("a product without depth is its start") {
  const LinearSize s{3, 0, 5};
  const auto b = random_tensor<float>({5}, 1);
  Tensor<float, Cpu> y({3, 5});
  Backend<Cpu>::linear<float>(s, b.data(), b.data(), b.data(), y.data());
  for (int i = 0; i < 15; ++i) CHECK(y.data()[i] == b.data()[i % 5]);
}
