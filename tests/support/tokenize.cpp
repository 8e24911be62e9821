// SPDX-License-Identifier: MIT
// tokenize <file>: reads texts (u32 length, bytes) and writes their tokens (u32 count, then id, begin, end of each),
// for scripts/check-tokenizers.
#include <cstdio>
#include <memory>

#include <modelgrow/text/bpe_gguf.hpp>
#include <modelgrow/text/bpe_json.hpp>
#include <modelgrow/text/wordpiece.hpp>

using namespace modelgrow;

namespace {

std::unique_ptr<Tokenizer> open(const std::filesystem::path& path) {
  if (path.extension() == ".gguf") return std::make_unique<BpeTokenizer>(bpe_from_gguf(Gguf::open(path)));
  const detail::TokenizerJson file(path);
  if (file.member(file.member(file.root(), "model"), "merges").is_null())
    return std::make_unique<WordPieceTokenizer>(wordpiece_from_json(path));
  return std::make_unique<BpeTokenizer>(bpe_from_json(path));
}

}  // namespace

int main(int, char** arguments) try {
  const auto tokenizer = open(arguments[1]);
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
