// SPDX-License-Identifier: MIT
// The fused AdamW step against its definition, with and without multipliers, and the average that follows it.
#include <modelgrow/backend/cpu.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/random.hpp"
#include "tests/support/squares.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("adamw is the decoupled update, scaled per column and row, and clears the gradient") {
  const double lr = 1e-2, decay = 0.1, beta1 = 0.9, beta2 = 0.99, eps = 1e-3, clip = 0.5;
  for (const std::int64_t rows : {1, 7, 300})
    for (const std::int64_t columns : {1, 33, 500})
      for (const int multipliers : {0, 1, 2, 3}) {
        CAPTURE(rows, columns, multipliers);
        const std::int64_t n = rows * columns;
        auto lr_columns = random_tensor({columns}, 5), eps_rows = random_tensor({rows}, 6);
        for (double& v : lr_columns.span()) v = std::abs(v);
        for (double& v : eps_rows.span()) v = std::abs(v);
        auto w = random_tensor({n}, 1), m = Tensor<double, Cpu>::zeros({n}), v = m.clone();
        auto average = random_tensor({n}, 7);
        auto we = w.clone(), me = m.clone(), ve = v.clone(), ae = average.clone();
        for (int step = 1; step <= 3; ++step) {
          auto g = random_tensor({n}, 10 + std::uint64_t(step));
          const auto kept = g.clone();
          const AdamWUpdate<double> s{.lr = lr,
                                      .eps = eps,
                                      .decay = lr * decay,
                                      .correction1 = 1 - std::pow(beta1, step),
                                      .correction2 = 1 - std::pow(beta2, step),
                                      .rows = rows,
                                      .columns = columns,
                                      .lr_columns = multipliers & 1 ? lr_columns.data() : nullptr,
                                      .eps_rows = multipliers & 2 ? eps_rows.data() : nullptr,
                                      .w = w.data(),
                                      .master = nullptr,
                                      .gradient = g.data(),
                                      .m = m.data(),
                                      .v = v.data(),
                                      .average = average.data()};
          const AdamWStep common{.beta1 = beta1, .beta2 = beta2, .average_rate = 0.25};
          Backend<Cpu>::adamw<double>(common, &clip, {&s, 1});
          for (std::int64_t i = 0; i < n; ++i) {
            const double rate = multipliers & 1 ? lr_columns.data()[i % columns] : 1.0;
            const double floor = multipliers & 2 ? eps_rows.data()[i / columns] : 1.0;
            const double gi = clip * kept.data()[i];
            me.data()[i] = beta1 * me.data()[i] + (1 - beta1) * gi;
            ve.data()[i] = beta2 * ve.data()[i] + (1 - beta2) * gi * gi;
            const double m_hat = me.data()[i] / s.correction1, v_hat = ve.data()[i] / s.correction2;
            we.data()[i] -= lr * decay * we.data()[i] + lr * rate * m_hat / (std::sqrt(v_hat) + eps * floor);
            ae.data()[i] += 0.25 * (we.data()[i] - ae.data()[i]);
          }
          CHECK(sum_of_squares(g) == 0);
        }
        CHECK(relative_error(w, we) < 1e-13);
        CHECK(relative_error(m, me) < 1e-13);
        CHECK(relative_error(v, ve) < 1e-13);
        CHECK(relative_error(average, ae) < 1e-13);
      }
}
