// SPDX-License-Identifier: MIT
// Memory that returns to its pool: used again, given back when the device has none left, and never handed to a queue
// that does not wait for its last user.
#include <modelgrow/core/pool.hpp>

#include <new>
#include <string>

#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

namespace {

/// A device with little memory and a queue that can be changed.
struct Small {
  static inline std::size_t left = 0;
  static inline int allocations = 0;
  static inline const char* current = "a";
  static void* allocate(std::size_t bytes) {
    if (bytes > left) throw std::bad_alloc();
    left -= bytes;
    ++allocations;
    auto* p = static_cast<std::size_t*>(::operator new(bytes + sizeof(std::size_t)));
    *p = bytes;
    return p + 1;
  }
  static void release(void* p) noexcept {
    auto* block = static_cast<std::size_t*>(p) - 1;
    left += *block;
    ::operator delete(block);
  }
  static const void* queue() { return current; }
};
using Pool = modelgrow::Pool<Small>;

void begin(std::size_t bytes) {
  Small::left = bytes;
  Small::allocations = 0;
  Small::current = "a";
}

}  // namespace

TEST_CASE("memory of the same size is used again, through every handle of the pool") {
  begin(1 << 20);
  Pool pool, same = pool;
  const void* p = pool.allocate(3000).get();
  CHECK(same.allocate(2990).get() == p);
  CHECK(Small::allocations == 1);
  CHECK(same.held() >= 3000);
  const auto kept = pool.allocate(3000), other = pool.allocate(3000);
  CHECK(kept != other);
}

TEST_CASE("when the device has no memory left, the pool gives back what nobody uses and asks again") {
  begin(10000);
  Pool pool;
  const auto kept = pool.allocate(2048);
  pool.allocate(7000);  // returns to the pool at once
  CHECK(Small::left < 1000);
  const auto larger = pool.allocate(7500);
  CHECK(larger != nullptr);
  CHECK(pool.held() < 10000);
  CHECK_THROWS_AS(pool.allocate(7500), std::bad_alloc);  // nothing is free that could be given back
  CHECK(kept.use_count() == 1);
}

TEST_CASE("a pool serves one queue") {
  begin(1 << 20);
  Pool pool;
  pool.allocate(100);
  static const char* other = "another queue";
  Small::current = other;
  CHECK(modelgrow::testing::says(modelgrow::testing::message_of<modelgrow::device_error>([&] { pool.allocate(100); }),
                                 "a tape of its own"));
  Pool fresh;
  CHECK(fresh.allocate(100) != nullptr);
}
