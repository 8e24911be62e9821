// SPDX-License-Identifier: MIT
// What is known about a step before it is applied: exact, exact under a named condition, or approximate and why.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>

namespace modelgrow::inline v0 {

/// How well a step keeps the function of the model; ordered from best to worst.
enum class Exactness { exact, exact_if, approximate };

constexpr std::string_view name(Exactness e) {
  constexpr std::string_view names[] = {"EXACT", "EXACT-IF", "APPROXIMATE"};
  return names[static_cast<int>(e)];
}

/// A claim with its reason: for exact_if the condition, for approximate what is lost.
struct Certificate {
  Exactness exactness = Exactness::exact;
  std::string reason;
  bool operator==(const Certificate&) const = default;
};

/// The claim that holds when both hold: the worse of the two, with the reasons of that kind.
inline Certificate combine(const Certificate& a, const Certificate& b) {
  if (a.exactness != b.exactness) return a.exactness > b.exactness ? a : b;
  if (b.reason.empty() || ("; " + a.reason + "; ").find("; " + b.reason + "; ") != std::string::npos) return a;
  return Certificate{.exactness = a.exactness, .reason = a.reason.empty() ? b.reason : a.reason + "; " + b.reason};
}

/// "EXACT-IF (the position table is stored)", for tables.
inline std::string to_string(const Certificate& c) {
  return std::string(name(c.exactness)) + (c.reason.empty() ? "" : " (" + c.reason + ")");
}

}  // namespace modelgrow::inline v0
