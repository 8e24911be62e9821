// SPDX-License-Identifier: MIT
// Row-wise kernels in float against double on sizes that fill vectors, and on many pieces.
#include <modelgrow/backend/cpu.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/random.hpp"
#include "tests/support/squares.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;
using B = Backend<Cpu>;

namespace {

using F = Tensor<float, Cpu>;
using D = Tensor<double, Cpu>;

}  // namespace

TEST_CASE("normalisation in float agrees with double, gradients included") {
  for (const std::int64_t channels : {3, 48, 193}) {
    CAPTURE(channels);
    const ModulateSize s{3, 500, channels, 6};
    const auto x = random_tensor({3, 500, channels}, 1, 2.0), m = random_tensor({3, 6, channels}, 2);
    const auto dy = random_tensor({3, 500, channels}, 3);
    const auto run = [&]<class T>(T) {
      const auto xt = cast<T>(x), mt = cast<T>(m), dyt = cast<T>(dy);
      Tensor<T, Cpu> y(x.shape()), dx(x.shape()), mean({1500}), rstd({1500});
      auto dm = Tensor<T, Cpu>::zeros(m.shape());
      B::norm_modulate<T>(s, 1e-6, xt.data(), mt.data(), 3, 4, y.data(), mean.data(), rstd.data());
      B::norm_modulate_dx<T>(s, xt.data(), mt.data(), 3, 4, mean.data(), rstd.data(), dyt.data(), dx.data(),
                             Write::overwrite, dm.data());
      return std::vector{y, dx, dm, mean, rstd};
    };
    const auto f = run(0.f);
    const auto d = run(0.0);
    for (std::size_t i = 0; i < f.size(); ++i) CHECK(relative_error(f[i], d[i]) < 4e-6);
  }
}

TEST_CASE("a large mean does not spoil the variance") {
  auto x = random_tensor({4, 256}, 1);
  for (double& v : x.span()) v += 1000;
  const auto xf = cast<float>(x);
  const auto back = cast<double>(xf);
  F y(x.shape()), mean({4}), rstd({4});
  D expected(x.shape()), mean_d({4}), rstd_d({4});
  B::layer_norm<float>(4, 256, 0, xf.data(), nullptr, nullptr, y.data(), mean.data(), rstd.data());
  B::layer_norm<double>(4, 256, 0, back.data(), nullptr, nullptr, expected.data(), mean_d.data(), rstd_d.data());
  CHECK(relative_error(y, expected) < 2e-4);  // the mean itself is only known to 1000 * 2^-24
}

TEST_CASE("activations in float agree with double") {
  const auto x = random_tensor({100003}, 1, 4.0), dy = random_tensor({100003}, 2);
  const auto xf = cast<float>(x), dyf = cast<float>(dy);
  for (const Activation kind : {Activation::gelu_tanh, Activation::silu}) {
    F y(x.shape()), dx(x.shape());
    D expected(x.shape()), dx_expected(x.shape());
    B::activation<float>(kind, x.size(), xf.data(), y.data());
    B::activation<double>(kind, x.size(), x.data(), expected.data());
    CHECK(relative_error(y, expected) < 1e-6);
    B::activation_dx<float>(kind, x.size(), xf.data(), dyf.data(), dx.data());
    B::activation_dx<double>(kind, x.size(), x.data(), dy.data(), dx_expected.data());
    CHECK(relative_error(dx, dx_expected) < 1e-6);
  }
}

TEST_CASE("elementwise helpers do what they say and may work in place") {
  const std::int64_t n = 40000;
  const auto a = random_tensor({n}, 1), b = random_tensor({n}, 2);
  auto y = b.clone();
  B::lerp<double>(n, 0.25, a.data(), y.data());
  for (std::int64_t i = 0; i < n; i += 997)
    CHECK_THAT(y.data()[i], WithinAbs(0.75 * b.data()[i] + 0.25 * a.data()[i], 1e-15));
  y = b.clone();
  B::axpy<double>(n, -2, a.data(), y.data());
  for (std::int64_t i = 0; i < n; i += 997) CHECK_THAT(y.data()[i], WithinAbs(b.data()[i] - 2 * a.data()[i], 1e-15));
  B::add<double>(n, y.data(), y.data(), y.data());
  for (std::int64_t i = 0; i < n; i += 997)
    CHECK_THAT(y.data()[i], WithinAbs(2 * b.data()[i] - 4 * a.data()[i], 1e-14));
  B::fill<double>(n, 3, y.data());
  CHECK(sum_of_squares(y) == 9.0 * double(n));
}
