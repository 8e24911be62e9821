// SPDX-License-Identifier: MIT
// Normalizers, added tokens behind them, and the BPE of SentencePiece: the ids of upstream for every way to write them.
#include <modelgrow/text/load_tokenizer.hpp>
#include <tests/text/golden.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

using Json = modelgrow::detail::json;

const Json& expected_bpe() {
  static const Json golden = modelgrow::detail::parse_json(get(tokenizers / "expected_bpe.json"), "expected_bpe.json");
  return golden;
}

/// Texts that get other ids than upstream's.
std::string different(const Tokenizer& tokenizer, const Json& texts, const Json& expected) {
  REQUIRE(texts.size() > 50);
  REQUIRE(texts.size() == expected.size());
  std::string list;
  for (std::size_t i = 0; i < texts.size(); ++i)
    if (tokenizer.encode(texts[i].get<std::string>()).ids != expected[i].get<std::vector<std::int32_t>>())
      list += texts[i].dump() + "\n";
  return list;
}

}  // namespace

TEST_CASE("tokenizer.json with normalizers, marks for spaces and normalized added tokens gives the ids of upstream") {
  const auto& cases = expected_bpe()["cases"];
  REQUIRE(cases.size() == 17);
  const Scratch scratch;
  for (const auto& c : cases) {
    CAPTURE(c["base"].get<std::string>(), c["patch"].dump());
    const auto path = changed(scratch, c["base"], [&](Json& root) { root.merge_patch(c["patch"]); });
    const auto tokenizer = load_tokenizer(path);
    CHECK(different(*tokenizer, expected_bpe()[c["patch"].empty() ? "texts" : "some"], c["ids"]) == "");
  }
}

TEST_CASE("the BPE of SentencePiece inside a GGUF file gives the ids of sentencepiece") {
  const auto tokenizer = load_tokenizer(tokenizers / "mistral.gguf");
  const auto& all = expected_bpe()["mistral.gguf"];
  Json texts = Json::array(), expected = Json::array();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string text = expected_bpe()["texts"][i];  // names of special tokens are no text here
    if (text.find("<unk>") != text.npos || text.find("</s>") != text.npos) continue;
    texts.push_back(text);
    expected.push_back(all[i]);
  }
  CHECK(different(*tokenizer, texts, expected) == "");
  CHECK(tokenizer->encode("a</s>").ids.back() == 2);
}
