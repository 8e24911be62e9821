// SPDX-License-Identifier: MIT
// Products with weights in GGML blocks: as if they had been floats, at a bounded cost of memory.
#include <modelgrow/backend/cpu.hpp>

#include <sys/resource.h>

#include "tests/support/blocks.hpp"
#include "tests/support/random.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

std::vector<float> decoded(const QuantisedMatrix& w) {
  std::vector<float> all(std::size_t(w.rows * w.columns));
  for (std::int64_t i = 0; i < w.rows; ++i) w.decode_row(i, all.data() + i * w.columns);
  return all;
}

}  // namespace

TEST_CASE("a product with blocks equals decoding, then multiplying, for every type") {
  for (const auto& type : ggml_types) {
    if (type.elements == 0) continue;
    for (const auto& [rows, out, least] :
         {std::tuple{1, 9, 1}, {3, 17, 301}, {8, 48, 703}, {21, 113, 779}, {130, 50, 1537}}) {
      const std::int64_t in = (least + type.elements - 1) / type.elements * type.elements;  // whole blocks
      const double tolerance = 1e-7 * (2 + std::sqrt(double(in)));  // a sum of `in` floats, one after the other
      CAPTURE(type.name, rows, out, in);
      const RandomBlocks blocks_of(GgmlType(type.id), out, in, 7);
      const auto floats = decoded(blocks_of.matrix());
      const auto w = cast<double>(Tensor<float, Cpu>::from({out, in}, floats));
      const auto x = random_tensor<float>({rows, in}, 1), b = random_tensor<float>({out}, 2);
      const auto before = random_tensor<float>({rows, out}, 3);
      const auto exact_x = cast<double>(x), exact_b = cast<double>(b);
      Tensor<double, Cpu> expected({rows, out});
      const LinearSize size{.rows = rows, .in = in, .out = out};
      for (const bool bias : {false, true}) {
        const float* some_b = bias ? b.data() : nullptr;
        Backend<Cpu>::linear<double>(size, exact_x.data(), w.data(), bias ? exact_b.data() : nullptr, expected.data());
        Tensor<float, Cpu> y({rows, out});
        Backend<Cpu>::linear_quantised(rows, blocks_of.matrix(), x.data(), some_b, y.data(), Write::overwrite);
        CHECK(relative_error(y, expected) < tolerance);

        y = before.clone();
        for (std::int64_t i = 0; i < y.size(); ++i) expected.data()[i] += double(before.data()[i]);
        Backend<Cpu>::linear_quantised(rows, blocks_of.matrix(), x.data(), some_b, y.data(), Write::add);
        CHECK(relative_error(y, expected) < tolerance);
      }
    }
  }
}

TEST_CASE("what is added to does not swallow small products") {
  const std::vector<float> w(512, 0.01f), x(512, 1.0f);
  const QuantisedMatrix one_row{
      .type = GgmlType::f32, .rows = 1, .columns = 512, .data = reinterpret_cast<const std::byte*>(w.data())};
  float y = 1e6f;  // whose neighbours are 0.06 away
  Backend<Cpu>::linear_quantised(1, one_row, x.data(), static_cast<const float*>(nullptr), &y, Write::add);
  CHECK_THAT(double(y), WithinAbs(1e6 + 5.12, 0.04));
}

TEST_CASE("an embedding picks decoded rows") {
  const RandomBlocks table(GgmlType::q8_0, 9, 64, 1);
  const auto rows = decoded(table.matrix());
  const std::vector<std::int32_t> ids{8, 0, 8, 3};
  std::vector<float> y(4 * 64);
  Backend<Cpu>::embedding_quantised(4, ids.data(), table.matrix(), y.data());
  for (std::size_t i = 0; i < y.size(); ++i) CHECK(y[i] == rows[std::size_t(ids[i / 64]) * 64 + i % 64]);
}

TEST_CASE("no decoded copy of the weights is made") {
  // 19 MB as blocks, 134 MB as floats.
  const std::int64_t out = 4096, in = 8192;
  const RandomBlocks w(GgmlType::q4_0, out, in, 1);
  const auto x = random_tensor<float>({2, in}, 1);
  Tensor<float, Cpu> y({2, out});
  const auto peak = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss / 1024;
  };
  const auto before = peak();
  Backend<Cpu>::linear_quantised(2, w.matrix(), x.data(), static_cast<const float*>(nullptr), y.data(),
                                 Write::overwrite);
  CHECK(peak() - before < 16);
}
