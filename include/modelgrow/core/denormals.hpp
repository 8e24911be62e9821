// SPDX-License-Identifier: MIT
// Numbers below the smallest normal one, which softmax tails, gradients and moments are full of late in training: an
// operation on them costs a processor a hundred times as much, and no sum notices them.
#pragma once
#include <cstdint>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace modelgrow::inline v0 {

/// How a thread computes with denormal numbers, and rounds: its control register. Other processors than x86 keep
/// theirs.
class FloatMode {
 public:
  static FloatMode of_thread() {
#if defined(__SSE__)
    return FloatMode(_mm_getcsr() & settings);
#else
    return FloatMode(0);
#endif
  }
  /// The same, with denormal numbers read and written as 0.
  FloatMode flushing() const { return FloatMode(bits_ | flush_to_zero | denormals_are_zero); }
  void set() const {
#if defined(__SSE__)
    _mm_setcsr((_mm_getcsr() & ~settings) | bits_);
#endif
  }
  bool operator==(const FloatMode&) const = default;

 private:
  static constexpr std::uint32_t flush_to_zero = 0x8000, denormals_are_zero = 0x0040, exceptions = 0x003f,
                                 settings = 0xffff & ~exceptions;
  explicit FloatMode(std::uint32_t bits) : bits_(bits) {}
  std::uint32_t bits_;
};

/// This thread computes in a mode for as long as this lives.
class InFloatMode {
 public:
  explicit InFloatMode(FloatMode mode) : before_(FloatMode::of_thread()), differs_(mode != before_) {
    if (differs_) mode.set();
  }
  ~InFloatMode() {
    if (differs_) before_.set();
  }
  InFloatMode(const InFloatMode&) = delete;
  InFloatMode& operator=(const InFloatMode&) = delete;

 private:
  FloatMode before_;
  bool differs_;
};

/// Denormal numbers are 0 in this thread, and in the parallel_for that it calls, for as long as this lives.
struct FlushDenormals : InFloatMode {
  FlushDenormals() : InFloatMode(FloatMode::of_thread().flushing()) {}
};

}  // namespace modelgrow::inline v0
