// SPDX-License-Identifier: MIT
// Choosing parameters by name: freezing some, training others at their own rate.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/core/describe.hpp>

namespace modelgrow::inline v0 {

/// Whether a name matches a pattern in which '*' stands for any characters, dots and none included.
constexpr bool matches(std::string_view pattern, std::string_view name) {
  std::size_t p = 0, n = 0, star = std::string_view::npos, retry = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retry = n;
    } else if (p < pattern.size() && pattern[p] == name[n]) {
      ++p;
      ++n;
    } else if (star != std::string_view::npos) {  // let the last star take one character more
      p = star + 1;
      n = ++retry;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

/// Settings for the parameters whose path matches a pattern; of several groups the first that matches counts.
struct ParameterGroup {
  std::string pattern;
  double lr = 1.0;     // factor of the learning rate
  double decay = 1.0;  // factor of the weight decay
};

/// Throws error unless some parameter of the model matches.
template <class M>
void require_match(const M& model, std::string_view pattern) {
  std::int64_t count = 0;
  std::string example;
  for_each_parameter(model, [&](const std::string& path, const auto&) {
    count += matches(pattern, path);
    example = path;
  });
  if (count == 0)
    throw error("no parameter matches the pattern '" + std::string(pattern) + "'; names look like '" + example +
                "', and '*' stands for any characters");
}

/// Takes all matching parameters out of training: no gradient, no step. Throws error if none matches.
template <class M>
void freeze(M& model, std::string_view pattern) {
  require_match(model, pattern);
  for_each_parameter(model, [&]<class P>(const std::string& path, P& p) {
    if (matches(pattern, path)) p.state = P::State::frozen;
  });
}
/// Puts all matching parameters back into training. Throws error if none matches.
template <class M>
void unfreeze(M& model, std::string_view pattern) {
  require_match(model, pattern);
  for_each_parameter(model, [&]<class P>(const std::string& path, P& p) {
    if (matches(pattern, path)) p.state = P::State::trained;
  });
}

}  // namespace modelgrow::inline v0
