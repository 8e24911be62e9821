// SPDX-License-Identifier: MIT
// Hands our mutations to libFuzzer, which adds its own and keeps what reaches new code.
#include <tests/fuzz/support/mutate.hpp>

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t largest);

namespace {
using namespace modelgrow::testing;

std::size_t mutate_in_place(std::uint8_t* to, std::size_t largest, std::string bytes, std::string_view other,
                            unsigned seed) {
  Dice dice(seed);
  for (auto n = 1 + dice.below(3); n-- > 0;) mutate(bytes, other, dice);
  const std::size_t size = std::min(bytes.size(), largest);
  std::copy_n(bytes.begin(), size, to);
  return size;
}
std::string_view text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}
}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t largest,
                                               unsigned seed) {
  if (seed % 2) return LLVMFuzzerMutate(data, size, largest);
  const std::string bytes(text(data, size));
  return mutate_in_place(data, largest, bytes, bytes, seed);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* one, std::size_t one_size,
                                                 const std::uint8_t* other, std::size_t other_size, std::uint8_t* to,
                                                 std::size_t largest, unsigned seed) {
  return mutate_in_place(to, largest, std::string(text(one, one_size)), text(other, other_size), seed);
}
