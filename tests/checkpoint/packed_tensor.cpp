// SPDX-License-Identifier: MIT
// Numbers in codes of few bits: what was packed and is packed again has the same bytes, what moved has the nearest
// codes, whatever pieces it is read in.
#include <cmath>
#include <limits>

#include <modelgrow/checkpoint/packed_tensor.hpp>
#include <modelgrow/core/rng.hpp>
#include <tests/support/catch.hpp>
#include <tests/support/low_bit.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

std::vector<float> numbers_of(const PackedTensor& t) { return values_in<float>(t.numbers("x")); }

/// Moments of about this size, the first of each block of 100 much larger.
std::vector<float> moments(std::int64_t n, bool positive) {
  std::vector<float> all;
  for (std::int64_t i = 0; i < n; ++i) {
    const double x = std::sin(double(i * i % 977)) * (i % 100 ? 1e-4 : 1e-2);
    all.push_back(float(positive ? x * x : x));
  }
  return all;
}

/// Packed for the first time.
PackedTensor packed(const std::vector<float>& numbers, const std::shared_ptr<const CodeMap>& map, Shape shape,
                    bool whole = false) {
  const PackedTensor nothing{.shape = {0},
                             .block = 256,
                             .whole_blocks = whole,
                             .codes = in_memory<std::uint8_t>("codes", {0}, {}),
                             .scales = in_memory<float>("scales", {0}, {}),
                             .map = map};
  return packed_like(in_memory<float>("x", shape, numbers), nothing);
}

/// The same, from memory.
PackedTensor stored(const PackedTensor& t) {
  PackedTensor other = t;
  other.codes = in_memory<std::uint8_t>("codes", t.codes.shape(), values_in<std::uint8_t>(t.codes));
  other.scales = in_memory<float>("scales", t.scales.shape(), values_in<float>(t.scales));
  return other;
}

/// How far numbers of a block may be from those that were packed, of the largest.
double widest(const CodeMap& map) {
  double gap = 0;
  for (std::size_t i = 1; i < map.values().size(); ++i)
    gap = std::max(gap, double(map.values()[i]) - double(map.values()[i - 1]));
  return gap / 2;
}

}  // namespace

TEST_CASE("numbers that were packed and are packed again have the same bytes") {
  for (const bool positive : {false, true})
    for (const Shape& shape : {Shape{16, 256}, Shape{7, 33}, Shape{1000}}) {
      INFO(positive);
      const auto map = std::make_shared<const CodeMap>(dynamic_map(!positive), "map");
      const auto once = stored(packed(moments(numel(shape), positive), map, shape));
      const auto numbers = numbers_of(once);
      const auto again = packed_like(in_memory<float>("x", shape, numbers), once);
      CHECK(values_in<std::uint8_t>(again.codes) == values_in<std::uint8_t>(once.codes));
      CHECK(values_in<float>(again.scales) == values_in<float>(once.scales));
      CHECK_FALSE(first_difference(once, again));
      // and where nothing stood there before, the same codes
      const auto elsewhere = packed(numbers, map, shape);
      CHECK(values_in<std::uint8_t>(elsewhere.codes) == values_in<std::uint8_t>(once.codes));
      const auto scales = values_in<float>(once.scales), others = values_in<float>(elsewhere.scales);
      for (std::size_t i = 0; i < scales.size(); ++i) CHECK(std::abs(others[i] / scales[i] - 1) < 2e-7f);
    }
}

TEST_CASE("bytes stay also where others would mean the same") {
  const auto map = std::make_shared<const CodeMap>(dynamic_map(true), "map");
  std::vector<std::uint8_t> codes(600, 0);  // as the package leaves a block of zeros
  codes[300] = 9;
  const PackedTensor old{.shape = {600},
                         .block = 256,
                         .codes = in_memory<std::uint8_t>("codes", {600}, codes),
                         .scales = in_memory<float>("scales", {3}, {0.0f, 0.0f, 2.0f}),
                         .map = map};
  auto numbers = numbers_of(old);
  CHECK(std::signbit(numbers[0]));
  CHECK_FALSE(first_difference(packed_like(in_memory<float>("x", {600}, numbers), old), old));
  numbers[599] = 3;  // the last block is short
  const auto other = packed_like(in_memory<float>("x", {600}, numbers), old);
  CHECK(first_difference(old, other) == 2);
  CHECK(values_in<float>(other.scales) == std::vector<float>{0, 0, 3});
  CHECK(numbers_of(other)[599] == 3);
}

TEST_CASE("what moved gets the nearest codes, and the scale of its largest number") {
  for (const bool positive : {false, true}) {
    const auto map = std::make_shared<const CodeMap>(dynamic_map(!positive), "map");
    const auto numbers = moments(1500, positive);
    const auto t = packed(numbers, map, {1500});
    CHECK(t.scales.shape() == Shape{6});
    const auto found = numbers_of(t);
    for (std::size_t b = 0; b < 6; ++b) {
      float largest = 0;
      for (std::size_t i = b * 256; i < std::min<std::size_t>(1500, b * 256 + 256); ++i)
        largest = std::max(largest, std::abs(numbers[i]));
      for (std::size_t i = b * 256; i < std::min<std::size_t>(1500, b * 256 + 256); ++i)
        CHECK(std::abs(found[i] - numbers[i]) <= widest(*map) * largest * 1.01);
    }
  }
  // The end of the map on its own side: -1 is not there, and the largest number is kept all the same.
  const auto map = std::make_shared<const CodeMap>(dynamic_map(true), "map");
  CHECK(map->values().front() > -1);
  const auto t = packed({-0.5f, 0.25f, 0}, map, {3});
  CHECK(std::abs(numbers_of(t)[0] + 0.5f) < 1e-7f);
  CHECK(numbers_of(t)[2] == 0);
}

TEST_CASE("any piece can be read, and blocks are read by many threads") {
  const auto map = std::make_shared<const CodeMap>(dynamic_map(true), "map");
  const std::int64_t n = 256 * 5000 + 77;  // more blocks than are made at once
  const auto t = stored(packed(moments(n, false), map, {n}));
  const auto all = bytes_in(t.numbers("x"));
  for (const std::size_t begin : {std::size_t(0), std::size_t(1023), std::size_t(4096 * 1024 - 3), all.size() - 5}) {
    std::vector<std::byte> part(std::min<std::size_t>(3001, all.size() - begin));
    t.numbers("x").read(begin, part);
    CHECK(std::equal(part.begin(), part.end(), all.begin() + std::ptrdiff_t(begin)));
  }
  auto numbers = values_in<float>(t.numbers("x"));
  for (float& x : numbers) x *= 3;
  const auto moved = packed_like(in_memory<float>("x", {n}, numbers), t);
  const auto codes = bytes_in(moved.codes);
  for (const std::size_t begin : {std::size_t(1), std::size_t(1 << 20), codes.size() - 5}) {
    std::vector<std::byte> part(std::min<std::size_t>(999, codes.size() - begin));
    moved.codes.read(begin, part);
    CHECK(std::equal(part.begin(), part.end(), codes.begin() + std::ptrdiff_t(begin)));
  }
  std::vector<float> one(1);
  moved.scales.read(4999 * sizeof(float), std::as_writable_bytes(std::span(one)));
  CHECK(one[0] == values_in<float>(moved.scales)[4999]);
}

TEST_CASE("numbers that are none spoil their block, and no other") {
  const auto map = std::make_shared<const CodeMap>(dynamic_map(true), "map");
  std::vector<float> numbers(512, 0.5f);
  numbers[300] = std::numeric_limits<float>::infinity();
  const auto found = numbers_of(packed(numbers, map, {512}));
  CHECK(found[0] == 0.5f);
  CHECK_FALSE(std::isfinite(found[300]));
  CHECK_FALSE(std::isfinite(found[256]));
  numbers.assign(512, std::numeric_limits<float>::lowest());
  CHECK(std::isfinite(numbers_of(packed(numbers, map, {512}))[0]));
}

TEST_CASE("codes of 4 bits, and floats of 8") {
  std::vector<float> sixteen;
  for (int i = 1; i <= 16; ++i) sixteen.push_back(float(i) / 16);
  const auto four = std::make_shared<const CodeMap>(sixteen, "map");
  CHECK(four->bits() == 4);
  const auto t = packed({0.25f, 2.0f, 1.0f, 0.5f}, four, {2, 2}, true);
  CHECK(t.codes.shape() == Shape{2});  // bytes
  CHECK(values_in<std::uint8_t>(t.codes) == std::vector<std::uint8_t>{0x1F, 0x73});
  CHECK(numbers_of(t) == std::vector<float>{0.25f, 2.0f, 1.0f, 0.5f});
  CHECK(t.can_pack({512}));
  CHECK_FALSE(t.can_pack({500}));

  const auto e4m3 = std::make_shared<const CodeMap>(CodeMap::e4m3());
  CHECK(e4m3->values()[0x7E] == 448);
  CHECK(e4m3->values()[0x01] == std::ldexp(1.0f, -9));
  CHECK(e4m3->values()[0xB8] == -1);
  CHECK(std::isnan(e4m3->values()[0xFF]));
  CHECK(values_in<std::uint8_t>(packed({-448.0f, 1.0f, 0, 17.0f}, e4m3, {4}).codes) ==
        std::vector<std::uint8_t>{0xFE, 0x38, 0x00, 0x59});
}

TEST_CASE("a map that is none is refused") {
  const auto refusal = [](std::vector<float> values) {
    return message_of<format_error>([&] { CodeMap(values, "here"); });
  };
  auto map = dynamic_map(true);
  CHECK(refusal(map).empty());
  CHECK(says(refusal({map.begin(), map.end() - 1}), "here has 255 numbers", "expected 256, or 16"));
  std::swap(map[3], map[4]);
  CHECK(says(refusal(map), "here does not rise at number 4"));
  map = dynamic_map(true);
  map.back() = std::numeric_limits<float>::infinity();
  CHECK(says(refusal(map), "does not rise at number 255: inf"));
  for (int i = 0; i < 256; ++i) map[std::size_t(i)] = float(i - 256);
  CHECK(says(refusal(map), "no number above 0"));
}
