// SPDX-License-Identifier: MIT
// Described options: what is written reads back, whatever the kind; mistakes are named with what was found and
// expected.
#include <array>

#include <tests/support/catch.hpp>
#include <tests/support/message.hpp>

#include <modelgrow/core/fields.hpp>
#include <modelgrow/detail/fields_json.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

enum class Side { left, right };
constexpr auto words_of(Side) { return std::array<std::string_view, 2>{"left", "right"}; }

struct Every {
  std::string text = "blocks";
  std::int64_t whole = 0;
  std::uint64_t seed = 0;
  double number = 0;
  std::vector<std::int64_t> list = {};
  Side side = Side::left;
  std::optional<std::int64_t> maybe = {};

  static void describe(auto& self, auto& v) {
    v("text", self.text, "a name");
    v("whole", self.whole, "how many");
    v("seed", self.seed, "of the noise");
    v("number", self.number, "how much");
    v("list", self.list, "where");
    v("side", self.side, "which");
    v("maybe", self.maybe, "if at all");
  }
};

const Every changed{.text = "a,b=\\c",
                    .whole = -7,
                    .seed = 18446744073709551615u,
                    .number = 0.1,
                    .list = {3, 0, 7},
                    .side = Side::right,
                    .maybe = 0};

}  // namespace

TEST_CASE("every field off its default comes back from text and from JSON") {
  const auto standard = fields_of<Every>(), now = fields_of(changed);
  for (std::size_t i = 0; i < now.size(); ++i) CHECK(now[i].value != standard[i].value);
  CHECK(to_text(changed) ==
        "text=a\\,b=\\\\c,whole=-7,seed=18446744073709551615,number=0.1,list=3+0+7,side=right,maybe=0");
  CHECK(same_fields(parse_fields<Every>(to_text(changed), "Every"), changed));
  CHECK_FALSE(same_fields(parse_fields<Every>("", "Every"), changed));
  const auto json = detail::fields_to_json(changed);
  CHECK(json["list"] == detail::json({3, 0, 7}));
  CHECK(same_fields(detail::fields_from_json<Every>(detail::parse_json(json.dump(), "x"), "Every"), changed));
}

TEST_CASE("defaults are not written") {
  CHECK(to_text(Every{}).empty());
  CHECK(detail::fields_to_json(Every{}).empty());
  CHECK(same_fields(parse_fields<Every>("text=,list=", "Every"), Every{.text = ""}));
}

TEST_CASE("mistakes in text name the key, what was found and what was expected") {
  const auto mistake = [](const std::string& text) {
    return message_of<option_error>([&] { parse_fields<Every>(text, "Every"); });
  };
  CHECK(mistake("whoel=1") == "Every: there is no 'whoel'; the nearest names are 'whole', 'seed', 'side'");
  CHECK(mistake("whole=2.9") == "Every: 'whole' is '2.9'; expected a whole number (how many)");
  CHECK(mistake("side=up") == "Every: 'side' is 'up'; expected left | right (which)");
  CHECK(mistake("list=3+") == "Every: 'list' is '3+'; expected whole numbers, as 3+7 (where)");
  CHECK(mistake("list=+") != "");
  CHECK(mistake("number=inf") == "Every: 'number' is 'inf'; expected a number (how much)");
  CHECK(mistake("seed=-1") != "");
  CHECK(mistake("whole=99999999999999999999") != "");
  CHECK(mistake("whole") == "Every: found 'whole'; expected key=value, several with commas between");
  CHECK(mistake("whole=1,whole=2") == "Every: 'whole' is given twice");
}

TEST_CASE("mistakes in JSON are not rounded away") {
  const auto mistake = [](const char* text) {
    return message_of<option_error>(
        [&] { detail::fields_from_json<Every>(detail::parse_json(text, "x"), "recipe: step 1, Every"); });
  };
  CHECK(mistake(R"({"whole": 2.9})") == "recipe: step 1, Every: 'whole' is 2.9; expected a whole number (how many)");
  CHECK(mistake(R"({"whole": "2"})") != "");
  CHECK(mistake(R"({"seed": -1})") != "");
  CHECK(mistake(R"({"list": [1, null]})") != "");
  CHECK(mistake(R"({"wide": 1})").find("there is no 'wide'") != std::string::npos);
  CHECK(mistake("[]") == "recipe: step 1, Every: found []; expected an object of options");
}

TEST_CASE("a table for people") {
  CHECK(field_table<Every>().find("| `side` | left \\| right | `left` | which |\n") != std::string::npos);
}
