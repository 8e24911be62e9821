// SPDX-License-Identifier: MIT
// Results are the same bits for any number of threads.
#include <omp.h>
#include <modelgrow/backend/cpu.hpp>

#include <cstring>

#include "tests/support/catch.hpp"
#include "tests/support/random.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;
using B = Backend<Cpu>;

namespace {

using F = Tensor<float, Cpu>;

// Everything that f writes, on one thread and on three.
template <class Function>
bool same_on_any_number_of_threads(Function f) {
  struct Restore {
    int before = omp_get_max_threads();
    ~Restore() { omp_set_num_threads(before); }
  } restore;
  omp_set_num_threads(1);
  const F one = f();
  omp_set_num_threads(3);
  const F three = f();
  return one.bytes() == three.bytes() && std::memcmp(one.data(), three.data(), one.bytes()) == 0;
}

}  // namespace

TEST_CASE("no kernel depends on the number of threads") {
  const LinearSize s{1100, 130, 70};
  const auto x = random_tensor<float>({s.rows, s.in}, 1), w = random_tensor<float>({s.out, s.in}, 2);
  const auto dy = random_tensor<float>({s.rows, s.out}, 3), b = random_tensor<float>({s.out}, 4);
  CHECK(same_on_any_number_of_threads([&] {
    F y({s.rows, s.out});
    B::linear<float>(s, x.data(), w.data(), b.data(), y.data());
    return y;
  }));
  CHECK(same_on_any_number_of_threads([&] {
    F dw = F::zeros({s.out, s.in});
    B::linear_dw<float>(s, dy.data(), x.data(), dw.data(), nullptr);
    return dw;
  }));
  CHECK(same_on_any_number_of_threads([&] {
    F sum = F::zeros({s.out});
    B::column_sum<float>(s.rows, s.out, dy.data(), sum.data());
    return sum;
  }));
  CHECK(same_on_any_number_of_threads([&] {
    F loss(Shape{});
    B::mse<float>(dy.size(), dy.data(), x.data(), loss.data());
    return loss;
  }));
  CHECK(same_on_any_number_of_threads([&] {
    const ModulateSize m{1, s.rows, s.in, 2};
    F y(x.shape()), mean({s.rows}), rstd({s.rows}), dm = F::zeros({1, 2, s.in});
    const auto slots = random_tensor<float>({1, 2, s.in}, 5);
    B::norm_modulate<float>(m, 1e-6, x.data(), slots.data(), 0, 1, y.data(), mean.data(), rstd.data());
    B::norm_modulate_dx<float>(m, x.data(), slots.data(), 0, 1, mean.data(), rstd.data(), y.data(), nullptr,
                               Write::overwrite, dm.data());
    return dm;
  }));
  CHECK(same_on_any_number_of_threads([&] {
    const AttentionSize::Strides t{100 * 39, 0, 39};
    const AttentionSize a{11, 1, 100, 100, 1, 13, t, t, t};
    F out = F::zeros({11, 100, 39}), lse({11, 100}), d = F::zeros({11, 100, 39});
    B::attention<float>(a, nullptr, x.data(), x.data() + 13, x.data() + 26, out.data(), lse.data());
    B::attention_dx<float>(a, nullptr, x.data(), x.data() + 13, x.data() + 26, out.data(), lse.data(), out.data(),
                           d.data(), d.data() + 13, d.data() + 26);
    return d;
  }));
}
