// SPDX-License-Identifier: MIT
// WordPiece against huggingface/tokenizers on the golden texts; each switch of the normaliser; what is refused.
#include <modelgrow/text/wordpiece.hpp>
#include <tests/text/golden.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

using Json = modelgrow::detail::json;
constexpr auto apply = BertNormaliser::Step::apply, skip = BertNormaliser::Step::skip;

std::string normalised(const BertNormaliser& how, std::string_view text) {
  std::string out;
  for (const auto& x : normalise(how, text, {.begin = 0, .end = text.size()})) detail::append_utf8(out, x.c);
  return out;
}

/// Tokens separated by '|'.
std::string tokens_of(const WordPieceTokenizer::Parts& parts, std::string_view text) {
  const WordPieceTokenizer t(parts);
  std::string out;
  for (auto id : t.encode(text).ids) out += (out.empty() ? "" : "|") + parts.tokens[std::size_t(id)];
  return out;
}

template <class Change>
std::string refusal(Change change) {
  const Scratch scratch;
  const auto path = changed(scratch, "wordpiece.json", change);
  const auto text = message_of<format_error>([&] { wordpiece_from_json(path); });
  if (!text.empty()) CHECK(text.starts_with(path.string() + ": "));
  return text;
}

}  // namespace

TEST_CASE("WordPiece gives the ids of upstream") {
  const auto t = wordpiece_from_json(tokenizers / "wordpiece.json");
  check_golden(t, "wordpiece");
  CHECK(t.around().before == std::vector{2});
  CHECK(t.around().after == std::vector{3});
  CHECK(t.vocabulary() == 900);
  CHECK(t.find("[MASK]") == 4);
  CHECK_FALSE(t.find("no such token").has_value());
}

TEST_CASE("the normaliser's switches") {
  constexpr BertNormaliser all,
      none{.clean_text = skip, .chinese_apart = skip, .strip_accents = skip, .lower_case = skip};
  const std::string text = "A\tÉe\u0301\u00AD\u6C34\uFF01\uD55C";
  CHECK(normalised(none, text) == text);
  CHECK(normalised(all, text) == "a ee \u6C34 \uFF01\u1112\u1161\u11AB");
  CHECK(normalised({.clean_text = apply, .chinese_apart = skip, .strip_accents = skip, .lower_case = skip}, text) ==
        "A Ée\u0301\u6C34\uFF01\uD55C");
  CHECK(normalised({.clean_text = skip, .chinese_apart = apply, .strip_accents = skip, .lower_case = skip}, text) ==
        "A\tÉe\u0301\u00AD \u6C34 \uFF01\uD55C");
  CHECK(normalised({.clean_text = skip, .chinese_apart = skip, .strip_accents = apply, .lower_case = skip}, text) ==
        "A\tEe\u00AD\u6C34\uFF01\u1112\u1161\u11AB");
  CHECK(normalised({.clean_text = skip, .chinese_apart = skip, .strip_accents = skip, .lower_case = apply}, text) ==
        "a\tée\u0301\u00AD\u6C34\uFF01\uD55C");
  CHECK(normalised({.clean_text = skip, .chinese_apart = skip, .strip_accents = skip, .lower_case = apply}, "İ") ==
        "i\u0307");
  CHECK(normalised(all, "İ\U0001D16D\U0001D165") == "i\U0001D165\U0001D16D");  // marks sorted by class
  CHECK(normalised(all, "\U0001D16D\u0CBF\U0001D165") ==
        "\U0001D16D\U0001D165");  // U+0CBF vanishes but is passed by none
}

TEST_CASE("longest pieces first, unknown words as a whole, spans in the text before normalisation") {
  WordPieceTokenizer::Parts parts{.tokens = {"[UNK]", "un", "##aff", "##able", "##a", "aff", ".", "e"},
                                  .longest_word = 9};
  CHECK(tokens_of(parts, "unaffable") == "un|##aff|##able");
  CHECK(tokens_of(parts, "UNA aff.aff") == "un|##a|aff|.|aff");
  CHECK(tokens_of(parts, "unaffx un") == "[UNK]|un");
  CHECK(tokens_of(parts, "unaffablea") == "[UNK]");  // ten characters
  CHECK(tokens_of(parts, " \t\n") == "");
  const WordPieceTokenizer t(parts);
  const auto tokens = t.encode(" Un\u0301aff  \u00c9. x\u00e9");
  CHECK(tokens.ids == std::vector{1, 2, 7, 6, 0});
  CHECK(tokens.spans == std::vector<TextSpan>{{1, 3}, {5, 8}, {10, 12}, {12, 13}, {14, 17}});
  CHECK(t.decode(tokens.ids) == "unaff e . [UNK]");
  CHECK_THROWS_AS(t.decode(std::vector{8}), format_error);
  CHECK_THROWS_AS(t.encode("\xFF"), format_error);
  parts.added = AddedTokens({AddedToken{.text = "[MASK]", .id = 8}});
  const WordPieceTokenizer more(parts);
  CHECK(more.encode("un[MASK]aff").ids == std::vector{1, 8, 5});
  CHECK(more.decode(std::vector{1, 8, 5}) == "un [MASK] aff");
  CHECK(more.vocabulary() == 9);
}

TEST_CASE("tokenizer.json of WordPiece that is refused") {
  CHECK(refusal([](Json&) {}).empty());
  CHECK(says(refusal([](Json& r) { r["model"]["type"] = "BPE"; }), "of type \"BPE\"; expected \"WordPiece\""));
  CHECK(refusal([](Json& r) { r["model"].erase("type"); }).empty());
  CHECK(says(refusal([](Json& r) { r["pre_tokenizer"]["type"] = "Whitespace"; }),
             "is 'Whitespace'; expected 'BertPreTokenizer'"));
  CHECK(says(refusal([](Json& r) { r["normalizer"]["type"] = "NFC"; }), "is 'NFC'; expected 'BertNormalizer'"));
  CHECK(says(refusal([](Json& r) { r["normalizer"] = nullptr; }), "'type' is null"));
  CHECK(says(refusal([](Json& r) { r["model"]["max_input_chars_per_word"] = "x"; }), "expected a number"));
  CHECK(
      says(refusal([](Json& r) { r["model"]["unk_token"] = "none such"; }), "the unk_token is not in the vocabulary"));
  CHECK(says(refusal([](Json& r) { r["model"]["vocab"] = Json::array(); }), "'vocab' is not an object"));
  CHECK_THROWS_AS(wordpiece_from_json("/nonexistent/tokenizer.json"), io_error);
}

TEST_CASE("tokenizer.json of WordPiece: the switches and limits in the file count") {
  const Scratch scratch;
  const auto cased = wordpiece_from_json(changed(scratch, "wordpiece.json", [](Json& r) {
    r["normalizer"]["lowercase"] = false;  // then accents stay, too
    r["model"]["vocab"] = {{"[UNK]", 1}, {"\u00c9", 5}, {"A", 6}};
    r["model"]["max_input_chars_per_word"] = 1;
  }));
  CHECK(cased.encode("\u00c9 A a AA", SpecialTokens::omit).ids == std::vector{5, 6, 1, 1});
}
