// SPDX-License-Identifier: MIT
// What a target says of its input: refused with an error of the library, or read, and then these laws hold. Anything
// else (another exception, a crash, a hang, memory out of proportion) is a finding.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include <modelgrow/core/error.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace modelgrow::testing {

/// Inputs that were read to the end; a run that reads none proves little.
inline std::uint64_t inputs_read = 0;

/// Ends the program unless the law holds.
inline void must(bool holds, const char* law) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", law);
  std::abort();
}

/// Whether the library refuses; what else is thrown escapes.
template <class F>
bool refuses(F&& f) {
  try {
    std::forward<F>(f)();
  } catch (const error&) {
    return true;
  }
  return false;
}

/// Runs a target on its input: refused, or read.
template <class F>
int read_or_refuse(const std::uint8_t* data, std::size_t size, F&& f) {
  inputs_read += !refuses([&] { f(std::string_view(reinterpret_cast<const char*>(data), size)); });
  return 0;
}

}  // namespace modelgrow::testing
