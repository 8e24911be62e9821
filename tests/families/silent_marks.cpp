// SPDX-License-Identifier: MIT
// What family texts say about silent units is read, recorded for grafts in the same words, and complained about where
// it makes no sense.
#include <modelgrow/families/family.hpp>
#include <modelgrow/families/family_text.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

/// A text with these rules of its space, config and tensor.
std::string text(const std::string& rules, const std::string& config = "{}", const std::string& line = "each hidden") {
  return R"({"family": "mine", "config": )" + config + R"(, "spaces": {"hidden": )" + rules +
         R"(}, "tensors": {"a": ")" + line + R"("}})";
}
std::string complaint(const std::string& text) {
  return message_of<format_error>([&] { FamilyText::parse(text); });
}

}  // namespace

TEST_CASE("Marks of silent units are read and written", "[families]") {
  for (const std::string line : {"out 4*hidden, in hidden; gain", "out 4*hidden, in hidden; shifts 0 3",
                                 "out 4*hidden, in hidden; query", "out 4*hidden, in hidden; gain, query 0 1"}) {
    const auto t = detail::read_lines("a", line, "test").at(0);
    const Space hidden{.name = "hidden", .size = 2};
    const ParamInfo info{.axes = {out(Extent(4) * hidden), in(hidden)}, .silencing = t.silencing};
    CHECK(detail::line_of(info) == line);
  }
  CHECK(complaint(text(R"({"norms": "rms", "rotary": "halves", "sections": ["hidden/2"]})",
                       R"({"eps": {"epsilon": "hidden"}, "n": {"is": "hidden", "else": "4"}})")) == "");
}

TEST_CASE("What a text cannot mean about silent units is named", "[families]") {
  CHECK(says(complaint(text(R"({"norms": "layer"})")), "'hidden'", "norms 'layer'; expected rms or nothing"));
  CHECK(says(complaint(text(R"({"copies": "some"})")), "copies 'some' is none of any", "in_heads"));
  CHECK(says(complaint(text(R"({"rotary": "thirds"})")), "rotary 'thirds' is none of neighbours, halves"));
  CHECK(says(complaint(text("{}", R"({"eps": {"epsilon": "width"}})")), "'eps' is the epsilon of 'width'",
             "no space of this family"));
  CHECK(says(complaint(text("{}", R"({"n": {"is": "hidden"}})")), "config: 'n'", "'else' is missing"));
  CHECK(says(complaint(text("{}", "{}", "each hidden; shifts")), "the mark 'shifts' is not understood"));
  CHECK(says(complaint(text("{}", "{}", "each hidden; query all")), "the mark 'query all' is not understood",
             "gain, query, shifts 0 3"));
  CHECK(says(message_of<format_error>([] {
               const Family f(text("{}", R"({"eps": {"epsilon": "hidden"}})"));
               f.schema(Names({{.name = "a", .dtype = DType::f32, .shape = {4}}}, "x"), R"({"eps": "small"})", "x");
             }),
             "'eps' is \"small\"; expected a number"));
}
