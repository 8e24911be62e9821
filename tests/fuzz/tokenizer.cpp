// SPDX-License-Identifier: MIT
// tokenizer.json: every token of a text is of the vocabulary, and names bytes of the text.
#include <modelgrow/text/load_tokenizer.hpp>
#include <tests/fuzz/support/target.hpp>
#include <tests/support/memory_file.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {
constexpr std::string_view texts[] = {"",
                                      " ",
                                      "A cat, 2 dogs  and\n\n1234567 birds don't sing.",
                                      "<s>[CLS] un\xC3\xA9 \xE6\xB0\xB4\xE7\x89\x9B \xF0\x9F\x98\x80</s>",
                                      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!",
                                      "\t e\xCC\x81 \xC2\xA0|<|endoftext|>|"};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return read_or_refuse(data, size, [](std::string_view json) {
    const MemoryFile file(json);
    const auto tokenizer = load_tokenizer(file.path());
    for (const auto text : texts) {
      const Tokens tokens = tokenizer->encode(text);
      must(tokens.ids.size() == tokens.spans.size(), "every token has a span");
      for (const auto& s : tokens.spans) must(s.begin <= s.end && s.end <= text.size(), "spans lie in the text");
      for (const auto id : tokens.ids) must(id >= 0 && id < tokenizer->vocabulary(), "tokens are of the vocabulary");
      tokenizer->decode(tokens.ids);
    }
  });
}
