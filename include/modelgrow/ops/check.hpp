// SPDX-License-Identifier: MIT
// Shape checks of operations: one form of message for all of them.
#pragma once
#include <initializer_list>
#include <string>
#include <string_view>

#include <modelgrow/autograd/tape.hpp>

namespace modelgrow::inline v0 {

/// Stands for any size in expect_shape.
inline constexpr std::int64_t any_size = -1;

/// Throws shape_error "[op] what is [2, 3]; expected [2, *]: hint" unless `found` has the expected dimensions.
inline void expect_shape(std::string_view op, std::string_view what, const Shape& found,
                         std::initializer_list<std::int64_t> expected, std::string_view hint) {
  bool fits = found.rank() == int(expected.size());
  if (fits) {
    const std::int64_t* dim = found.begin();
    for (std::int64_t e : expected) fits = fits && (e == any_size || e == *dim), ++dim;
  }
  if (fits) return;
  std::string wanted;
  for (std::int64_t e : expected) {
    if (!wanted.empty()) wanted += ", ";
    wanted += e == any_size ? "*" : std::to_string(e);
  }
  throw shape_error("[" + std::string(op) + "] " + std::string(what) + " is " + to_string(found) + "; expected [" +
                    wanted + "]: " + std::string(hint));
}

/// Throws shape_error "[op] message" unless `fits`; the message is only built when it is needed.
template <class Message>
void expect(std::string_view op, bool fits, Message message) {
  if (!fits) throw shape_error("[" + std::string(op) + "] " + message());
}

}  // namespace modelgrow::inline v0
