// SPDX-License-Identifier: MIT
// The sentencepiece library behind our interface: the ids of upstream's Python package, spans, and what is refused.
#include <modelgrow/text/sentencepiece.hpp>
#include <tests/text/golden.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("unigram gives the ids of upstream") {
  check_golden(SentencePieceTokenizer(tokenizers / "unigram.model"), "unigram");
}

TEST_CASE("unigram: end of sequence, spans, decoding, names") {
  const SentencePieceTokenizer t(tokenizers / "unigram.model");
  CHECK(t.around().before.empty());
  CHECK(t.around().after == std::vector{1});
  CHECK(t.encode("").ids == std::vector{1});
  CHECK(t.find("</s>") == 1);
  CHECK_FALSE(t.find("no such piece").has_value());
  const std::string text = "the  caf\u00e9 \U0001F680 model";
  const auto tokens = t.encode(text, SpecialTokens::omit);
  REQUIRE(tokens.ids.size() == tokens.spans.size());
  std::size_t at = 0;
  for (const auto& span : tokens.spans) {
    CHECK(span.begin == at);
    at = span.end;
  }
  CHECK(at == text.size());
  CHECK(t.decode(t.encode("the model").ids) == "the model");
  CHECK_THROWS_AS(t.decode(std::vector{std::int32_t(t.vocabulary())}), format_error);
  CHECK_THROWS_AS(t.encode("\xFF"), format_error);
}

TEST_CASE("a BPE model of sentencepiece is refused: what stands around a text it does not say") {
  const Scratch scratch;
  std::string bytes = get(tokenizers / "unigram.model");
  CHECK_FALSE(detail::is_sentencepiece_bpe(bytes));
  // A message of protobuf may come in pieces, of which the last counts; here trainer_spec { model_type: BPE } alone.
  const std::string bpe = "\x12\x02\x18\x02";
  CHECK(detail::is_sentencepiece_bpe(bpe));
  CHECK_FALSE(detail::is_sentencepiece_bpe(std::string("\x12\x02\x18\x01")));
  CHECK_FALSE(detail::is_sentencepiece_bpe(std::string("\x0A\x7F")));
  const auto path = put(scratch / "tokenizer.model", bpe + bytes);
  CHECK(says(message_of<format_error>([&] { SentencePieceTokenizer t(path); }), path.string(), "BPE",
             "Llama and Mistral", "tokenizer.json"));
}

TEST_CASE("what is no sentencepiece model") {
  const Scratch scratch;
  CHECK_THROWS_AS(SentencePieceTokenizer(scratch / "none"), io_error);
  const auto bytes = get(tokenizers / "unigram.model");
  for (const auto& bad : {std::string(), std::string("{}"), bytes.substr(0, bytes.size() / 2)}) {
    const auto path = put(scratch / "x.model", bad);
    CHECK(says(message_of<format_error>([&] { SentencePieceTokenizer t(path); }),
               path.string() + ": this is no sentencepiece model"));
  }
}
