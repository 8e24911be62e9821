// SPDX-License-Identifier: MIT
// Byte-level BPE against huggingface/tokenizers on the golden texts, from both kinds of files, and what is refused.
#include <bit>
#include <cmath>

#include <modelgrow/text/bpe_gguf.hpp>
#include <modelgrow/text/bpe_json.hpp>
#include <tests/support/gguf_bytes.hpp>
#include <tests/text/golden.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

using Json = modelgrow::detail::json;

/// A tokenizer of the letters a to e with the merges "a b" and "ab c", in a GGUF file; each piece can be replaced.
struct SmallGguf {
  std::string model = "gpt2", pre = "gpt-2";
  std::vector<std::string> tokens{"a", "b", "c", "d", "e", "ab", "abc", "<s>", "</s>"}, merges{"a b", "ab c"};
  std::vector<std::uint32_t> types{1, 1, 1, 1, 1, 1, 1, 3, 3};
  std::vector<std::string> more = {};
  bool with_merges = true, with_pre = true;

  std::filesystem::path write(const Scratch& scratch) const {
    constexpr std::uint32_t i32 = 5, string = 8, array = 9;
    const auto strings = [](const std::vector<std::string>& list) {
      std::string text = u32(string) + u64(list.size());
      for (const auto& s : list) text += gguf_string(s);
      return text;
    };
    std::string numbers = u32(i32) + u64(types.size());
    for (auto t : types) numbers += u32(t);
    GgufBytes file{.values = more, .tensors = {}, .data = {}};
    file.values.push_back(gguf_value("tokenizer.ggml.model", string, gguf_string(model)));
    if (with_pre) file.values.push_back(gguf_value("tokenizer.ggml.pre", string, gguf_string(pre)));
    file.values.push_back(gguf_value("tokenizer.ggml.tokens", array, strings(tokens)));
    file.values.push_back(gguf_value("tokenizer.ggml.token_type", array, numbers));
    if (with_merges) file.values.push_back(gguf_value("tokenizer.ggml.merges", array, strings(merges)));
    return put(scratch / "x.gguf", file.bytes());
  }
};

std::string refusal(const SmallGguf& file) {
  const Scratch scratch;
  const auto path = file.write(scratch);
  const auto text = message_of<format_error>([&] { bpe_from_gguf(Gguf::open(path)); });
  if (!text.empty()) CHECK(text.starts_with(path.string() + ": "));
  return text;
}

template <class Change>
std::string json_refusal(Change change) {
  const Scratch scratch;
  const auto path = changed(scratch, "smollm.json", change);
  const auto text = message_of<format_error>([&] { bpe_from_json(path); });
  if (!text.empty()) CHECK(text.starts_with(path.string() + ": "));
  return text;
}

std::vector<std::int32_t> ids(const Tokenizer& t, std::string_view text) { return t.encode(text).ids; }

}  // namespace

TEST_CASE("byte-level BPE gives the ids of upstream") {
  SECTION("SmolLM, tokenizer.json") { check_golden(bpe_from_json(tokenizers / "smollm.json"), "smollm"); }
  SECTION("SmolLM, GGUF") { check_golden(bpe_from_gguf(Gguf::open(tokenizers / "smollm.gguf")), "smollm"); }
  SECTION("Llama 3, tokenizer.json") { check_golden(bpe_from_json(tokenizers / "llama3.json"), "llama3"); }
}

TEST_CASE("spans say which bytes a token stands for, decode gives them back") {
  const auto t = bpe_from_json(tokenizers / "llama3.json");  // has all 256 bytes
  for (const auto& text : golden_texts()) {
    const auto tokens = t.encode(text, SpecialTokens::omit);
    REQUIRE(tokens.spans.size() == tokens.ids.size());
    CHECK((text.find("<mask>") != text.npos || text.find("<|im_end|>") != text.npos || t.decode(tokens.ids) == text));
    std::size_t at = 0;
    for (const auto& span : tokens.spans) {
      CHECK(span.begin == at);
      CHECK(span.end > at);
      at = span.end;
    }
    CHECK(at == text.size());
  }
}

TEST_CASE("special tokens around a text, inside it, and white space they swallow") {
  const auto t = bpe_from_json(tokenizers / "llama3.json");
  const auto begin = t.find("<|begin_of_text|>"), mask = t.find("<mask>"), end = t.find("<|im_end|>");
  REQUIRE((begin && mask && end));
  CHECK(ids(t, "") == std::vector{*begin});
  CHECK(t.encode("", SpecialTokens::omit).ids.empty());
  CHECK(t.around().before == std::vector{*begin});
  CHECK(t.around().after.empty());
  const auto tokens = t.encode("\xE3\x80\x80 <mask> <|im_end|>\n <mask", SpecialTokens::omit);
  CHECK((tokens.ids[0] == *mask && tokens.spans[0] == TextSpan{.begin = 0, .end = 10}));
  CHECK(tokens.ids[1] == *t.find("Ġ"));
  CHECK((tokens.ids[2] == *end && tokens.spans[2] == TextSpan{.begin = 11, .end = 23}));
  CHECK(tokens.ids.size() > 4);
  CHECK(t.decode(std::vector{*mask, *end}) == "<mask><|im_end|>");
}

TEST_CASE("merges: lowest rank first, leftmost among equals; long pieces in reasonable time") {
  const Scratch scratch;
  const auto t = bpe_from_gguf(Gguf::open(SmallGguf{}.write(scratch)));
  CHECK(ids(t, "abcab") == std::vector{6, 5});
  CHECK(ids(t, "aab") == std::vector{0, 5});
  CHECK(ids(t, "<s>cab</s>") == std::vector{7, 2, 5, 8});
  CHECK(ids(t, "axb") == std::vector{5});  // a byte that is no token vanishes, as upstream
  CHECK(t.vocabulary() == 9);
  CHECK(t.find("abc") == 6);
  CHECK_FALSE(t.find("abcd").has_value());
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "ab";
  const auto tokens = t.encode(text);
  CHECK(tokens.ids == std::vector<std::int32_t>(200'000, 5));
  CHECK(t.encode(std::string(300'000, ' ') + "d").ids == std::vector{3});
  CHECK(says(message_of<format_error>([&] { t.decode(std::vector{9}); }), "no token 9; the vocabulary has 9"));
  CHECK_THROWS_AS(t.decode(std::vector{-1}), format_error);
}

TEST_CASE("malformed UTF-8 is refused, with its place") {
  const auto t = bpe_from_json(tokenizers / "smollm.json");
  const auto refused = [&](std::string_view text) { return message_of<format_error>([&] { t.encode(text); }); };
  CHECK(says(refused("ab\xFF"), "not UTF-8 at byte 2 of 3"));
  CHECK(says(refused("\xC3"), "at byte 0"));
  CHECK(says(refused("\xED\xA0\x80"), "at byte 0"));      // a surrogate
  CHECK(says(refused("x\xC0\x80"), "at byte 1"));         // an overlong NUL
  CHECK(says(refused("\xF4\x90\x80\x80"), "at byte 0"));  // beyond U+10FFFF
}

TEST_CASE("GGUF tokenizers: begin and end of sequence, whole pieces, known pre-tokenizers") {
  const Scratch scratch;
  constexpr std::uint32_t u32_type = 4, boolean = 7;
  const auto yes = std::string(1, '\x01');
  SmallGguf file{.more = {gguf_value("tokenizer.ggml.bos_token_id", u32_type, u32(7)),
                          gguf_value("tokenizer.ggml.eos_token_id", u32_type, u32(8)),
                          gguf_value("tokenizer.ggml.add_bos_token", boolean, yes),
                          gguf_value("tokenizer.ggml.add_eos_token", boolean, yes)}};
  CHECK(ids(bpe_from_gguf(Gguf::open(file.write(scratch))), "ab") == std::vector{7, 5, 8});
  file.tokens[6] = "abd";  // no merge makes it
  file.merges.pop_back();
  CHECK(ids(bpe_from_gguf(Gguf::open(file.write(scratch))), "abd") == std::vector{7, 5, 3, 8});
  file.pre = "llama-bpe";
  CHECK(ids(bpe_from_gguf(Gguf::open(file.write(scratch))), "abd") == std::vector{7, 6, 8});
  for (const char* pre : {"smollm", "qwen2", "dbrx"}) {
    file.pre = pre;
    CHECK(ids(bpe_from_gguf(Gguf::open(file.write(scratch))), "abd").size() == 4);
  }
}

TEST_CASE("GGUF tokenizers that are refused") {
  CHECK(refusal({}).empty());
  CHECK(says(refusal({.model = "t5"}), "of kind 't5'; expected 'gpt2'", "'llama'"));
  CHECK(says(refusal({.with_pre = false}), "does not say how", "tokenizer.ggml.pre", "convert the model again"));
  CHECK(says(refusal({.with_merges = false}), "has no merges"));
  CHECK(says(refusal({.merges = {"ab"}}), "the merge 'ab' has no space"));
  CHECK(says(refusal({.merges = {"a x"}}), "merge 0 joins 'a' and 'x', but the vocabulary has no 'x'"));
  CHECK(says(refusal({.merges = {"b a"}}), "the vocabulary has no 'ba'"));
  CHECK(says(refusal({.types = {1}}), "there are 9 tokens, but types for 1"));
  CHECK(says(refusal({.pre = "no such"}), "the pre-tokenizer 'no such' is not known", "smollm",
             "convert the model again"));
  const auto bos = gguf_value("tokenizer.ggml.add_bos_token", 7, std::string(1, '\x01'));
  CHECK(says(refusal({.more = {bos}}), "no metadata 'tokenizer.ggml.bos_token_id'"));
  CHECK(says(refusal({.more = {bos, gguf_value("tokenizer.ggml.bos_token_id", 4, u32(9))}}),
             "is 9, but there are 9 tokens"));
  CHECK(says(refusal({.more = {bos, gguf_value("tokenizer.ggml.bos_token_id", 4, u32(0xFFFFFFFF))}}),
             "is 4294967295, but there are 9 tokens"));
  CHECK(refusal({.more = {gguf_value("tokenizer.ggml.eos_token_id", 4, u32(0xFFFFFFFF))}}).empty());  // nobody asks
}

TEST_CASE("GGUF tokenizers: empty arrays, tokens that are no UTF-8, form C") {
  const Scratch scratch;
  const auto open = [&](const SmallGguf& file) { return bpe_from_gguf(Gguf::open(file.write(scratch))); };
  const auto nothing = open(
      {.more = {gguf_value("general.tags", 9, u32(8) + u64(0)), gguf_value("general.datasets", 9, u32(4) + u64(0))}});
  CHECK(ids(nothing, "abcab") == std::vector{6, 5});

  SmallGguf broken;
  broken.tokens[3] = "x\xFFy";    // no byte begins a character so
  broken.tokens[4] = "\xE6\xB0";  // a character that ends too early
  const auto t = open(broken);
  CHECK(t.decode(std::vector{3, 4, 5}) ==
        "x\xFFy\xE6\xB0"
        "ab");
  CHECK(to_bytes("\xC4\xA0\xF0\x9F") == " \xF0\x9F");
  CHECK(ids(t, "ab") == std::vector{5});
  broken.tokens[4] = "\xA9";  // the end of U+00E9, which is not taken apart
  broken.types[4] = 4;
  CHECK(ids(open(broken), "a\xC3\xA9") == std::vector{0});

  SmallGguf accents;  // the bytes of U+00E9, and that character
  accents.tokens[2] = "\xC3\x83";
  accents.tokens[3] = "\xC2\xA9";
  accents.tokens[6] = "\xC3\x83\xC2\xA9";
  accents.merges[1] = "\xC3\x83 \xC2\xA9";
  const auto plain = open(accents);
  CHECK(ids(plain, "\xC3\xA9") == std::vector{6});
  CHECK(ids(plain, "e\xCC\x81") == std::vector{4});
  accents.pre = "qwen2";
  const auto qwen = open(accents).encode(
      "be\xCC\x81"
      "d\xC3\xA9");
  CHECK(qwen.ids == std::vector{1, 6, 6});
  CHECK(qwen.spans[1] == TextSpan{.begin = 1, .end = 4});
  CHECK(qwen.spans[2] == TextSpan{.begin = 5, .end = 7});
}

TEST_CASE("GGUF tokenizers of SentencePiece's kind") {
  constexpr std::uint32_t real = 6, array = 9;
  const auto scores = [](const std::vector<float>& list) {
    std::string text = u32(real) + u64(list.size());
    for (float x : list) text += u32(std::bit_cast<std::uint32_t>(x));
    return gguf_value("tokenizer.ggml.scores", array, text);
  };
  const std::string mark = "\xE2\x96\x81";
  SmallGguf file{.model = "llama",
                 .tokens = {"<unk>", "<s>", "</s>", "a", "b", "ab", "abc", mark, mark + "a", "c"},
                 .types = {2, 3, 3, 1, 1, 1, 1, 1, 1, 1},
                 .more = {scores({0, 0, 0, -4, -5, -1, -2, -6, -3, -7})},
                 .with_merges = false,
                 .with_pre = false};
  const Scratch scratch;
  const auto open = [&] { return bpe_from_gguf(Gguf::open(file.write(scratch))); };
  CHECK(ids(open(), "abc a") == std::vector{1, 7, 6, 8});
  CHECK(ids(open(), "xxa") == std::vector{1, 7, 0, 0, 3});
  CHECK(ids(open(), "") == std::vector{1});
  CHECK(open().decode(std::vector{7, 6, 8}) == "abc a");
  CHECK(open().encode(" b</s>").spans[2] == TextSpan{.begin = 0, .end = 1});
  file.more.push_back(gguf_value("tokenizer.ggml.add_space_prefix", 7, std::string(1, '\0')));
  file.more.push_back(gguf_value("tokenizer.ggml.add_bos_token", 7, std::string(1, '\0')));
  file.more.push_back(gguf_value("tokenizer.ggml.add_eos_token", 7, std::string(1, '\x01')));
  CHECK(ids(open(), "abc a") == std::vector{6, 8, 2});

  file.more[0] = scores({1, 2});
  CHECK(says(refusal(file), "there are 10 tokens, but scores for 2"));
  file.more[0] = scores({0, 0, 0, -4, NAN, -1, -2, -6, -3, -7});
  CHECK(says(refusal(file), "the score of token 4 is no number"));
  file.more[0] = gguf_value("tokenizer.ggml.scores", 4, u32(1));
  CHECK(says(refusal(file), "'tokenizer.ggml.scores'", "expected an array of floats"));
  file.more.erase(file.more.begin());
  CHECK(says(refusal(file), "no metadata 'tokenizer.ggml.scores'"));
}

TEST_CASE("tokenizer.json: other ways to write the same") {
  const Scratch scratch;
  const auto path = changed(scratch, "smollm.json", [](Json& root) {
    auto& merges = root["model"]["merges"];
    for (auto& m : merges)
      if (m.is_array()) m = m[0].get<std::string>() + " " + m[1].get<std::string>();
    root["pre_tokenizer"]["pretokenizers"][0] = {
        {"type", "Split"}, {"pattern", {{"Regex", "\\p{N}"}}}, {"behavior", "Isolated"}, {"invert", false}};
    root["post_processor"] = {{"type", "RobertaProcessing"}, {"cls", {"<|im_start|>", 1}}, {"sep", {"<|im_end|>", 2}}};
  });
  const auto t = bpe_from_json(path), plain = bpe_from_json(tokenizers / "smollm.json");
  CHECK(t.around().before == std::vector{1});
  CHECK(t.around().after == std::vector{2});
  for (const auto& text : golden_texts())
    CHECK(t.encode(text, SpecialTokens::omit).ids == plain.encode(text, SpecialTokens::omit).ids);
  CHECK(ids(bpe_from_json(changed(scratch, "smollm.json",
                                  [](Json& root) {
                                    root["pre_tokenizer"]["pretokenizers"][0] = {
                                        {"type", "Split"}, {"pattern", {{"String", "\\s."}}}, {"behavior", "Isolated"}};
                                  })),
            "a \\s. s.x")
            .size() >= 6);
  const auto unknown =
      bpe_from_json(changed(scratch, "smollm.json", [](Json& root) { root["model"]["unk_token"] = "<|endoftext|>"; }));
  CHECK(unknown.encode("\x04").ids == std::vector{0});
  CHECK(plain.encode("\x04").ids.empty());
}

TEST_CASE("tokenizer.json that is refused") {
  CHECK(json_refusal([](Json&) {}).empty());
  const auto model = [](const char* key, Json value) {
    return json_refusal([&](Json& root) { root["model"][key] = value; });
  };
  CHECK(says(model("type", "Unigram"), "of type \"Unigram\"; expected \"BPE\""));
  CHECK(says(model("merges", nullptr), "has no merges"));
  CHECK(says(model("merges", {1}), "the merge 1 is neither"));
  CHECK(says(model("merges", {"ab"}), "the merge \"ab\" is neither"));
  CHECK(
      says(model("merges", Json::array({Json::array({"a", "\xE6\xB0\xB4"})})), "the vocabulary has no '\xE6\xB0\xB4'"));
  CHECK(says(model("vocab", 1), "'vocab' is not an object"));
  CHECK(says(model("vocab", {{"a", -1}}), "the token 'a' has the id -1"));
  CHECK(says(model("vocab", {{"a", 1 << 30}}), "has the id 1073741824"));
  CHECK(says(model("vocab", {{"a", 1}, {"b", 1}}), "'a' and 'b' have the same id 1"));
  CHECK(says(model("unk_token", "none such"), "the unk_token \"none such\" is not in the vocabulary"));
  CHECK(says(model("unk_token", 1), "'unk_token' is 1; expected a string"));
  CHECK(says(model("end_of_word_suffix", "</w>"), "'end_of_word_suffix': \"</w>\""));
  CHECK(says(model("continuing_subword_prefix", "##"), "'continuing_subword_prefix'"));
  CHECK(says(model("dropout", 0.1), "'dropout': 0.1"));
  CHECK(says(model("byte_fallback", true), "'byte_fallback'"));
  CHECK(says(model("byte_fallback", 1), "'byte_fallback' is 1; expected true or false"));

  const auto root_key = [](const char* key, Json value) {
    return json_refusal([&](Json& root) { root[key] = value; });
  };
  CHECK(says(root_key("normalizer", {{"type", "Lowercase"}}), "'normalizer'", "Lowercase"));
  CHECK(says(root_key("normalizer", {{"type", "Replace"}, {"pattern", {{"Regex", " "}}}, {"content", "x"}}), "Regex"));
  CHECK(says(root_key("normalizer", {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\xE2\x96\x81"}}),
             "exclude each other"));
  const auto metaspace = [&](const char* key, Json value) {
    Json step = {{"type", "Metaspace"}, {"replacement", "\xE2\x96\x81"}};
    step[key] = value;
    return root_key("pre_tokenizer", step);
  };
  CHECK(metaspace("prepend_scheme", "never").empty());
  CHECK(says(metaspace("prepend_scheme", "last"), "'prepend_scheme': \"last\""));
  CHECK(says(metaspace("replacement", "_"), "'replacement': \"_\""));
  CHECK(says(root_key("added_tokens", 1), "'added_tokens' is not a list"));
  CHECK(says(root_key("added_tokens", {{{"id", 1}}}), "'content' is null"));
  CHECK(says(root_key("added_tokens", {{{"id", 1}, {"content", "x"}, {"single_word", true}}}), "'x' is a single_word"));
  CHECK(says(root_key("pre_tokenizer", nullptr), "no ByteLevel step"));
  CHECK(says(root_key("pre_tokenizer", {{"type", "Whitespace"}}), "'pre_tokenizer'", "Whitespace"));
  CHECK(says(root_key("pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", true}}), "'add_prefix_space'"));
  const auto split = [&](Json pattern, const char* behavior, bool invert) {
    return root_key("pre_tokenizer",
                    {{"type", "Split"}, {"pattern", pattern}, {"behavior", behavior}, {"invert", invert}});
  };
  CHECK(says(split({{"Regex", "a"}}, "Removed", false), "'behavior': \"Removed\""));
  CHECK(says(split({{"Regex", "a"}}, "Isolated", true), "'invert'"));
  CHECK(says(split({{"Regex", "(a"}}, "Isolated", false), "the pattern '(a' is not understood"));
  CHECK(says(root_key("post_processor", {{"type", "Other"}}), "the post-processor 'Other' is not known"));
  CHECK(says(root_key("post_processor", {{"type", "BertProcessing"}, {"cls", 1}}), "expected [token, id]"));

  CHECK(says(root_key("post_processor", {{"type", "BertProcessing"}, {"cls", {"a", 7777777}}, {"sep", {"b", 1}}}),
             "has the id 7777777; expected an integer from 0 to 2097152"));
  CHECK(says(root_key("post_processor", {{"type", "BertProcessing"}, {"cls", {"a", 999999}}, {"sep", {"b", 1}}}),
             "puts token 999999 around every text, and the vocabulary has"));

  const Scratch scratch;
  CHECK_THROWS_AS(bpe_from_json(scratch / "none.json"), io_error);
  CHECK(says(message_of<format_error>([&] { bpe_from_json(put(scratch / "x", "[]")); }), "not a JSON object"));
  CHECK(says(message_of<format_error>([&] { bpe_from_json(put(scratch / "x", "{\"\xFF\":1}")); }), "not UTF-8"));
  CHECK_THROWS_AS(bpe_from_json(put(scratch / "x", "{")), format_error);
}

TEST_CASE("patterns: empty matches cut nothing, what does not match is kept") {
  const auto pieces = [](std::string_view pattern, std::string_view text) {
    std::vector<std::string> list;
    RegexSplit(pattern).split(text, {.begin = 0, .end = text.size()}, [&](std::size_t begin, std::size_t end) {
      list.emplace_back(text.substr(begin, end - begin));
    });
    return list;
  };
  using List = std::vector<std::string>;
  CHECK(pieces("b*", "abbäc") == List{"a", "bb", "äc"});
  CHECK(pieces("$", "ab") == List{"ab"});
  CHECK(pieces("x", "") == List{});
  CHECK(pieces(R"([^\s\]]+)", "a]\xE1\xA0\x8E b") == List{"a", "]", "\xE1\xA0\x8E", " ", "b"});
  CHECK(pieces(R"(\S+)", "a\xE1\xA0\x8E b") == List{"a\xE1\xA0\x8E", " ", "b"});
  CHECK(pieces(R"(\\s+)", R"(a\ss )") == List{"a", R"(\ss)", " "});
  CHECK(pieces(RegexSplit::literal(R"(\p{L}.a)"), R"(x\p{L}.ay)") == List{"x", R"(\p{L}.a)", "y"});
}
