// SPDX-License-Identifier: MIT
// tokenize <file>: reads texts (u32 length, bytes) and writes their tokens (u32 count, then id, begin, end of each),
// for scripts/check-tokenizers.
#include <cstdio>

#include <modelgrow/text/load_tokenizer.hpp>

using namespace modelgrow;

int main(int, char** arguments) try {
  const auto tokenizer = load_tokenizer(arguments[1]);
  std::uint32_t n;
  for (std::string text; std::fread(&n, 4, 1, stdin) == 1;) {
    text.resize(n);
    if (std::fread(text.data(), 1, n, stdin) != n) return 1;
    const auto tokens = tokenizer->encode(text);
    n = std::uint32_t(tokens.ids.size());
    std::fwrite(&n, 4, 1, stdout);
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint32_t token[] = {std::uint32_t(tokens.ids[i]), std::uint32_t(tokens.spans[i].begin),
                                     std::uint32_t(tokens.spans[i].end)};
      std::fwrite(token, 4, 3, stdout);
    }
  }
} catch (const error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
