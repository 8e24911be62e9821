// SPDX-License-Identifier: MIT
// The JSON parser takes JSON and nothing else.
#include <modelgrow/detail/json.hpp>
#include <modelgrow/detail/utf8.hpp>
#include <tests/support/catch.hpp>
#include <tests/support/message.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;
using detail::parse_json;

TEST_CASE("values and order") {
  CHECK(parse_json(R"({"a":[1,-2,3.5,true,null,"x"]})", "w")["a"].size() == 6);
  CHECK(parse_json("18446744073709551615", "w").get<std::uint64_t>() == UINT64_MAX);
  CHECK(parse_json(R"({"b":1,"a":2})", "w").dump() == R"({"b":1,"a":2})");
  CHECK(parse_json(R"({"a":{"x":1},"b":{"x":1}})", "w").size() == 2);  // the same key in two objects
  CHECK(parse_json(R"([{"x":1},{"x":1}])", "w").size() == 2);
}

TEST_CASE("errors name the place") {
  const auto refusal = [](std::string_view text) {
    return message_of<format_error>([&] { parse_json(text, "config.json"); });
  };
  for (const char* text : {"", "{", "{\"a\":}", "nul", "[1,]", "{} x", "\xEF\xBB\xBF{}", "\"\xFF\"", "// c\n{}", "01"})
    CHECK(refusal(text).starts_with("config.json: "));
  CHECK(says(refusal(R"({"a":1,"b":{"c":1,"c":2}})"), "the key 'c' twice"));
  CHECK(says(refusal(std::string_view("{}\0", 3)), "NUL"));
  CHECK(says(refusal(std::string(65, '[') + std::string(65, ']')), "deeper than 64"));
  CHECK(refusal(std::string(64, '[') + std::string(64, ']')).empty());
}

TEST_CASE("what Python and people write is said with the line and what to do") {
  const auto refusal = [](std::string_view text) {
    return message_of<format_error>([&] { parse_json(text, "config.json"); });
  };
  for (const char* text : {"{\"a\": 1,\n \"b\": [0.0, Infinity]}", "{\"a\": 1,\n \"b\": NaN}", "{\"a\":\n-Infinity}"})
    CHECK(says(refusal(text), "no Infinity and no NaN", "in line 2"));
  CHECK(says(refusal("{\"a\": 1,\n\n}"), "remove the comma before the bracket in line 3"));
  CHECK(says(refusal("[1,\n]"), "remove the comma before the bracket in line 2"));
  CHECK_FALSE(says(refusal("[1}"), "comma"));
  CHECK_FALSE(says(refusal("{\"a\": nul}"), "Infinity"));
  CHECK(says(refusal("\xEF\xBB\xBF{}"), "byte order mark", "save"));
}

TEST_CASE("UTF-8: every code point, and the boundaries of what is none") {
  const auto encode = [](unsigned c) {
    std::string s;
    if (c < 0x80) {
      s = {char(c)};
    } else if (c < 0x800) {
      s = {char(0xC0 | c >> 6), char(0x80 | (c & 63))};
    } else if (c < 0x10000) {
      s = {char(0xE0 | c >> 12), char(0x80 | (c >> 6 & 63)), char(0x80 | (c & 63))};
    } else {
      s = {char(0xF0 | c >> 18), char(0x80 | (c >> 12 & 63)), char(0x80 | (c >> 6 & 63)), char(0x80 | (c & 63))};
    }
    return s;
  };
  long wrong = 0;
  for (unsigned c = 0; c < 0x120000; ++c) {
    const std::string s = encode(c);
    wrong += detail::is_utf8(s) != (c < 0x110000 && (c < 0xD800 || c > 0xDFFF));
    for (std::size_t n = 1; n < s.size(); ++n) wrong += detail::is_utf8(s.substr(0, n)) + detail::is_utf8(s.substr(n));
    if (c >= 0x110000 || (c >= 0xD800 && c <= 0xDFFF)) continue;
    std::string again;
    detail::append_utf8(again, c);
    std::size_t at = 0;
    wrong += again != s || detail::next_code_point(s, at) != c || at != s.size();
  }
  CHECK(wrong == 0);
  for (const char* bad :
       {"\x80", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xF0\x8F\xBF\xBF", "\xF5\x80\x80\x80", "a\xC3", "\xC3z"})
    CHECK_FALSE(detail::is_utf8(bad));
  CHECK(detail::valid_utf8_prefix("a\xC3\xA4\xC3z") == 3);
}
