// SPDX-License-Identifier: MIT
// Formulas of foreign texts: what is too large to be meant is refused before it is computed.
#include <modelgrow/core/axis.hpp>
#include <modelgrow/core/expression.hpp>
#include <tests/support/catch.hpp>
#include <tests/support/message.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {
std::string refusal(const std::string& formula, const Sizes& sizes) {
  return message_of<error>([&] { Expression::parse(formula, "here").value(sizes); });
}
std::string repeated(const std::string& part, int n) {
  std::string text;
  for (int i = 0; i < n; ++i) text += (i ? "*" : "") + part;
  return text;
}
}  // namespace

TEST_CASE("sizes that overflow are errors, not other numbers") {
  const Sizes sizes{{"a", INT64_MAX}, {"b", INT64_MIN}, {"one", 1}, {"minus", -1}, {"none", 0}};
  CHECK(says(refusal("a + one", sizes), "9223372036854775807 + 1", "does not fit in 63 bits"));
  CHECK(says(refusal("b - one", sizes), "does not fit in 63 bits"));
  CHECK(says(refusal("a * a", sizes), "9223372036854775807 * 9223372036854775807"));
  CHECK(says(refusal("b / minus", sizes), "does not fit in 63 bits"));
  CHECK(says(refusal("a / none", sizes), "divided by zero"));
  Sizes known{{"b", INT64_MIN}, {"minus", -1}};
  CHECK(says(message_of<error>([&] { Expression::parse("x + b", "here").solve(1, known); }), "63 bits"));
  CHECK_FALSE(Expression::parse("x * minus", "here").solve(INT64_MIN, known));
  CHECK(says(message_of<error>([&] { Expression::parse("x - b", "here").solve(-1, known); }), "63 bits"));
  CHECK(Expression::parse("x - minus", "here").solve(7, known));
  CHECK(known.at("x") == 6);
}

TEST_CASE("formulas that nobody means are refused before they are multiplied out") {
  CHECK(says(refusal(repeated("a", 251), {}), "501 characters", "at most 500"));
  CHECK(refusal(repeated("a", 250), {}).empty());
  const std::set<std::string, std::less<>> spaces{"a"};
  const auto extent = [&](const std::string& formula) {
    return message_of<error>([&] { Expression::parse(formula, "here").extent({{"a", 1}}, spaces, "there"); });
  };
  CHECK(says(extent(repeated("(a+a)", 60)), "there: '(a+a)*", "more than 1000 terms"));
  CHECK(extent(repeated("(a+a)", 9)).empty());
}

TEST_CASE("axes whose size or chunks are out of proportion are refused") {
  const Extent large(std::int64_t{1} << 40);
  CHECK(says(message_of<shape_error>([&] { (large * large).size(); }), "does not fit in 63 bits"));
  CHECK(says(message_of<shape_error>([&] { (Extent(INT64_MAX) + Extent(1)).size(); }), "does not fit in 63 bits"));
  const Extent width(Space{.name = "width", .size = 1});
  CHECK(says(message_of<shape_error>([&] { chunks_of(large * width); }), "the axis 1099511627776*width", "chunks"));
  CHECK(chunks_of(Extent(6) * width).size() == 6);
  CHECK(chunks_of(large) == std::vector<std::int64_t>{std::int64_t{1} << 40});
}
