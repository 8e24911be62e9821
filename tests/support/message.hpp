// SPDX-License-Identifier: MIT
// The message of an exception, to check that it says what a user needs.
#pragma once
#include <string>

namespace modelgrow::testing {

/// What f() throws as an E; empty if it throws nothing.
template <class E, class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  }
  return {};
}

/// Whether `text` contains every part.
template <class... Parts>
bool says(const std::string& text, const Parts&... parts) {
  return ((text.find(parts) != std::string::npos) && ...);
}

}  // namespace modelgrow::testing
