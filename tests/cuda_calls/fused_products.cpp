// SPDX-License-Identifier: MIT
// Products with an epilogue as cuBLASLt is asked for them, by a double of it: every bit as written out, algorithms
// chosen once, and what is left to other kernels.
#include <modelgrow/backend/cuda/fused_product.cuh>

#include "tests/cuda_calls/cublaslt_double.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/random.hpp"
#include "tests/support/same_bits.hpp"

using namespace modelgrow;
using namespace modelgrow::kernels;
using modelgrow::testing::same_bits;

namespace {

/// Multiples of 1/4, of which sums of products are exact.
template <class T>
Tensor<T, Cpu> quarters(Shape shape, std::uint64_t stream) {
  Tensor<T, Cpu> t = testing::random_tensor<T>(std::move(shape), stream, 4.0);
  for (T& v : t.span()) v = T(std::round(float(v)) / 4);
  return t;
}

/// The operands of c = a b with an epilogue, and scratch memory.
template <class T, class R = T>
struct Problem {
  MatrixSize size;
  Transposed transposed;
  Write write = Write::overwrite;
  Tensor<T, Cpu> a = quarters<T>({size.rows * size.inner + 64}, 1);
  Tensor<T, Cpu> b = quarters<T>({size.columns * size.inner + 64}, 2);
  Tensor<R, Cpu> c = quarters<R>({size.rows * size.columns}, 3);
  Tensor<T, Cpu> bias = quarters<T>({size.columns + 64}, 4), inner = quarters<T>(c.shape(), 5);
  Tensor<R, Cpu> sums = quarters<R>({size.rows}, 6);

  template <class Epilogue>
  bool run(FusedProducts& products, const Epilogue& epilogue) {
    char scratch[16];
    return products.run({ColumnMajorProduct::of(size, transposed), blas_type<T>, blas_type<R>}, lt_epilogue(epilogue),
                        {.first = b.data(), .second = a.data(), .result = c.data()}, write,
                        {.memory = scratch, .bytes = sizeof scratch}, nullptr);
  }
  WithBias<T> with_bias() const { return {.bias = bias.data()}; }
  WithBiasGelu<T> with_gelu() const { return {.bias = bias.data(), .inner = nullptr}; }
  WithBiasGelu<T> with_gelu_kept() const { return {.bias = bias.data(), .inner = inner.data()}; }
  WithGeluGradient<T> with_gelu_gradient() const { return {.inner = inner.data()}; }
  WithRowSums<R> with_row_sums() const { return {.sums = sums.data()}; }
};

/// Whether cuBLASLt is asked for what is written out in product.hpp.
template <class P, class Make>
void check_as_written_out(P asked, P written, Make epilogue) {
  FusedProducts products;
  const int before = lt_double::state().products;
  REQUIRE(asked.run(products, epilogue(asked)));
  CHECK(lt_double::state().products == before + 1);
  REQUIRE(emulator::multiply_with(epilogue(written), written.size, written.transposed, written.a.data(),
                                  written.b.data(), written.write, written.c.data()));
  CHECK(same_bits(asked.c, written.c));
  CHECK(same_bits(asked.inner, written.inner));
  CHECK(same_bits(asked.sums, written.sums));
}
template <class P, class Make>
void check_as_written_out(MatrixSize size, Transposed transposed, Write write, Make epilogue) {
  check_as_written_out(P{.size = size, .transposed = transposed, .write = write},
                       P{.size = size, .transposed = transposed, .write = write}, epilogue);
}

constexpr MatrixSize size{.rows = 24, .columns = 40, .inner = 16}, odd{.rows = 5, .columns = 7, .inner = 3};

}  // namespace

TEMPLATE_TEST_CASE("biases and bias gradients are asked of cuBLASLt", "", float, bf16) {
  using P = Problem<TestType>;
  using ToFloat = Problem<TestType, float>;
  lt_double::state() = {};
  for (const MatrixSize s : {size, odd}) {
    check_as_written_out<P>(s, Transposed::b, Write::overwrite, [](const auto& p) { return p.with_bias(); });
    for (const Write write : {Write::overwrite, Write::add})
      check_as_written_out<ToFloat>(s, Transposed::a, write, [](const auto& p) { return p.with_row_sums(); });
  }
}

TEST_CASE("GELU and its gradient are asked of cuBLASLt in bf16") {
  using P = Problem<bf16>;
  lt_double::state() = {};
  check_as_written_out<P>(size, Transposed::b, Write::overwrite, [](const auto& p) { return p.with_gelu(); });
  check_as_written_out<P>(size, Transposed::b, Write::overwrite, [](const auto& p) { return p.with_gelu_kept(); });
  check_as_written_out<P>(size, Transposed::none, Write::overwrite,
                          [](const auto& p) { return p.with_gelu_gradient(); });
}

TEST_CASE("GELU is left to kernels in float, in rows of no multiple of 8, and where cuBLASLt is slower at it") {
  lt_double::state() = {};
  const auto refuses = [](auto problem) {
    FusedProducts products;
    const auto before = problem.c.clone();
    const bool refused = !problem.run(products, problem.with_gelu()) &&
                         !problem.run(products, problem.with_gelu_kept()) &&
                         !problem.run(products, problem.with_gelu_gradient());
    return refused && same_bits(problem.c, before) && lt_double::state().choices.empty();
  };
  CHECK(refuses(Problem<float>{.size = size, .transposed = Transposed::b}));
  CHECK(refuses(Problem<bf16>{.size = odd, .transposed = Transposed::b}));
  for (const int major : {8, 9, 10, 12}) {
    lt_double::state() = {};
    lt_double::state().major = major;
    CHECK(refuses(Problem<bf16>{.size = size, .transposed = Transposed::b}) == (major == 8 || major == 12));
  }
}

TEST_CASE("an algorithm is chosen once for a shape, an epilogue and an alignment, with sums in float") {
  lt_double::state() = {};
  const auto& choices = lt_double::state().choices;
  FusedProducts products;
  Problem<bf16> p{.size = size, .transposed = Transposed::b};
  for (int i = 0; i < 2; ++i) CHECK(p.run(products, p.with_bias()));
  REQUIRE(choices.size() == 1);
  CHECK(choices[0].preference.reduction == CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE);
  CHECK(choices[0].operation.bias == p.bias.data());

  CHECK(p.run(products, p.with_gelu()));
  CHECK(p.run(products, p.with_gelu_kept()));
  CHECK(choices.size() == 3);
  CHECK(choices[2].operation.aux == p.inner.data());
  CHECK(choices[2].operation.aux_ld == size.columns);

  p.bias = p.bias.view(1, {size.columns});  // no longer at a multiple of 4 bytes
  CHECK(p.run(products, p.with_bias()));
  CHECK(choices.size() == 4);
  p.a = p.a.view(2, {size.rows * size.inner});
  CHECK(p.run(products, p.with_bias()));
  REQUIRE(choices.size() == 5);
  for (const std::uint32_t alignment : choices[4].preference.alignment) CHECK(alignment == 4);
  CHECK(lt_double::state().products == 6);
}

TEST_CASE("a product that cuBLASLt cannot is refused untouched, and asked for once") {
  lt_double::state() = {};
  lt_double::state().has_algorithms = false;
  FusedProducts products;
  Problem<bf16> p{.size = size, .transposed = Transposed::b};
  const auto before = p.c.clone();
  for (int i = 0; i < 2; ++i) CHECK_FALSE(p.run(products, p.with_bias()));
  CHECK(same_bits(p.c, before));
  CHECK(lt_double::state().choices.size() == 1);
}

TEST_CASE("an error of cuBLASLt while it looks for an algorithm is an error, not a product that it cannot") {
  lt_double::state() = {};
  lt_double::state().broken = true;
  FusedProducts products;
  Problem<bf16> p{.size = size, .transposed = Transposed::b};
  const std::string said = testing::message_of<device_error>([&] { p.run(products, p.with_bias()); });
  CHECK(testing::says(said, "choosing an algorithm", "a status", "fused_product.cuh"));
}
