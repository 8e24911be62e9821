// SPDX-License-Identifier: MIT
// Shapes count without overflow; tensors share, view and copy as they say.
#include <modelgrow/core/pool.hpp>
#include <modelgrow/core/tensor.hpp>
#include <tests/support/catch.hpp>
#include <tests/support/message.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;
using T = Tensor<float, Cpu>;

TEST_CASE("shapes") {
  CHECK(Shape{}.rank() == 0);
  CHECK(numel(Shape{}) == 1);
  CHECK(numel(Shape{2, 3, 4}) == 24);
  CHECK(numel(Shape{2, 0, 4}) == 0);
  CHECK(to_string(Shape{}) == "[]");
  CHECK(to_string(Shape{2, 3}) == "[2, 3]");
  CHECK(Shape{2, 3}.back() == 3);
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK_FALSE(Shape{2, 3} == Shape{2, 3, 1});
  CHECK_FALSE(Shape{2, 3} == Shape{2, 4});
  CHECK(Shape{1, 1, 1, 1, 1, 1, 1, 1}.rank() == 8);
  CHECK_THROWS_AS((Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}), shape_error);
  CHECK_THROWS_AS((Shape{2, -1}), shape_error);
  Shape grown{1, 1, 1, 1, 1, 1, 1, 1};
  CHECK_THROWS_AS(grown.push_back(1), shape_error);
  CHECK(numel(Shape{INT64_MAX}) == INT64_MAX);
  CHECK_THROWS_AS(numel(Shape{INT64_MAX, 2}), shape_error);
  CHECK_THROWS_AS(numel(Shape{1ll << 32, 1ll << 31}), shape_error);
}

TEST_CASE("every shape of up to four dimensions counts as a product") {
  for (int a = 0; a < 4; ++a)
    for (int b = 0; b < 4; ++b)
      for (int c = 0; c < 4; ++c)
        for (int d = 0; d < 4; ++d) REQUIRE(numel(Shape{a, b, c, d}) == a * b * c * d);
}

TEST_CASE("copies share memory, clones do not") {
  const float values[] = {1, 2, 3, 4, 5, 6};
  T t = T::from({2, 3}, values);
  CHECK(t.unique());
  T same = t;
  CHECK_FALSE(t.unique());
  T own = t.clone();
  t.span()[0] = 9;
  CHECK(same.span()[0] == 9);
  CHECK(own.span()[0] == 1);
  CHECK(own.unique());
  CHECK(own.shape() == t.shape());
  CHECK(t.dim(0) == 2);
  CHECK(t.dim(-1) == 3);
  CHECK(t.bytes() == 24);
  CHECK_FALSE(T().defined());
  CHECK(T().size() == 0);
  CHECK(reinterpret_cast<std::uintptr_t>(t.data()) % Cpu::alignment == 0);
  CHECK(says(message_of<shape_error>([&] { T::from({2, 2}, values); }), "takes 4 values; 6 were given"));
  const T zeros = T::zeros({3});
  for (float v : zeros.span()) CHECK(v == 0);
}

TEST_CASE("reshapes and views look at the same memory, inside its bounds") {
  const float values[] = {0, 1, 2, 3, 4, 5};
  const T t = T::from({2, 3}, values);
  const T flat = t.reshape({6});
  CHECK(flat.data() == t.data());
  CHECK_THROWS_AS(t.reshape({5}), shape_error);
  const T row = t.view(3, {3});
  CHECK(row.span()[0] == 3);
  row.span()[0] = 7;
  CHECK(t.span()[3] == 7);
  CHECK(t.view(6, {0}).size() == 0);
  CHECK_THROWS_AS(t.view(4, {3}), shape_error);
  CHECK_THROWS_AS(t.view(-1, {3}), shape_error);
  T kept;
  {
    const T inner = T::from({3}, std::span(values).first(3));
    kept = inner.view(1, {2});
  }
  CHECK(kept.span()[1] == 2);  // a view keeps the memory alive
}

TEST_CASE("a tensor over foreign memory and one on no memory") {
  auto memory = std::make_shared<std::vector<float>>(4, 2.5f);
  T t({2, 2}, std::shared_ptr<void>(memory, memory->data()));
  CHECK(t.span()[3] == 2.5f);
  const Tensor<float, Meta> nothing({1'000'000, 1'000'000});
  CHECK(nothing.size() == 1'000'000'000'000);
  CHECK_FALSE(nothing.defined());
  const T back = to_cpu(to_device<Cpu>(t));
  CHECK(back.span()[0] == 2.5f);
  CHECK(back.data() != t.data());
}

TEST_CASE("a pool hands the same block out again") {
  Pool<Cpu> pool;
  void* first;
  {
    const auto block = pool.allocate(10'000);
    first = block.get();
    const auto other = pool.allocate(10'000);
    CHECK(other.get() != first);
  }
  const auto held = pool.held();
  CHECK(held >= 20'000);
  CHECK(held <= 22'500);
  const auto again = pool.allocate(9'990);
  CHECK(pool.held() == held);
  pool.trim();
  CHECK(pool.held() < held);
  CHECK(pool.held() >= 9'990);
}

TEST_CASE("a block outlives its pool") {
  std::shared_ptr<void> block;
  {
    Pool<Cpu> pool;
    block = pool.allocate(64);
  }
  std::memset(block.get(), 1, 64);
  CHECK(static_cast<unsigned char*>(block.get())[63] == 1);
}
