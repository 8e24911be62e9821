// SPDX-License-Identifier: MIT
// The tokenizer of a model on disk, whatever its kind.
#pragma once
#include <modelgrow/text/bpe_gguf.hpp>
#include <modelgrow/text/bpe_json.hpp>
#include <modelgrow/text/sentencepiece.hpp>
#include <modelgrow/text/wordpiece.hpp>

namespace modelgrow::inline v0 {

/// From a .gguf file, a tokenizer.json, a sentencepiece .model, or the directory of a model, where spiece.model is
/// preferred to tokenizer.json. Throws io_error or format_error.
inline std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) {
    for (const char* name : {"spiece.model", "tokenizer.json"})
      if (std::filesystem::exists(path / name)) return load_tokenizer(path / name);
    throw io_error("'" + path.string() +
                   "' has neither spiece.model nor tokenizer.json: is it the directory of a model?");
  }
  if (path.extension() == ".gguf") return std::make_unique<BpeTokenizer>(bpe_from_gguf(Gguf::open(path)));
  if (path.extension() == ".model") return std::make_unique<SentencePieceTokenizer>(path);
  detail::TokenizerJson file(path);
  const auto& model = file.member(file.root(), "model");
  if (const auto& type = file.member(model, "type"); type == "Unigram")
    file.fail("this is a unigram tokenizer: put the spiece.model it was made from beside it");
  // Files from before 2021 have no type, but only BPE has merges.
  if (file.member(model, "merges").is_null())
    return std::make_unique<WordPieceTokenizer>(detail::wordpiece_from_json(file));
  return std::make_unique<BpeTokenizer>(detail::BpeJson(std::move(file)).parts());
}

}  // namespace modelgrow::inline v0
