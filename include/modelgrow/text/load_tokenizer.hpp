// SPDX-License-Identifier: MIT
// The tokenizer of a model on disk, whatever its kind.
#pragma once
#include <modelgrow/text/bpe_gguf.hpp>
#include <modelgrow/text/bpe_json.hpp>
#include <modelgrow/text/sentencepiece.hpp>
#include <modelgrow/text/wordpiece.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Folders where the tokenizer of a model may lie: its own, and in pipelines of diffusers "tokenizer_2" beside
/// "text_encoder_2".
inline std::vector<std::filesystem::path> tokenizer_folders(const std::filesystem::path& model) {
  auto folder = std::filesystem::absolute(model).lexically_normal();
  if (folder.filename().empty()) folder = folder.parent_path();  // behind a slash at the end
  std::vector<std::filesystem::path> folders{model};
  constexpr std::string_view encoder = "text_encoder";
  if (const std::string name = folder.filename().string(); name.starts_with(encoder))
    folders.push_back(folder.parent_path() / ("tokenizer" + name.substr(encoder.size())));
  return folders;
}

[[noreturn]] inline void no_tokenizer(const std::vector<std::filesystem::path>& folders) {
  std::string where, instead;
  for (const auto& folder : folders) {
    where.append(where.empty() ? "'" : "' or '").append(folder.string());
    for (const char* name : {"vocab.txt", "vocab.json", "merges.txt", "tokenizer.model", "sentencepiece.bpe.model"})
      if (std::error_code ignored; std::filesystem::exists(folder / name, ignored))
        instead.append(instead.empty() ? "; found " : ", ").append("'" + (folder / name).string() + "'");
  }
  for (const auto& folder : folders)
    if (std::error_code ignored; std::filesystem::is_directory(folder / "text_encoder", ignored))
      throw io_error("'" + folder.string() + "' is a pipeline, and its tokenizers belong to its text encoders: give '" +
                     (folder / "text_encoder").string() + "'");
  throw io_error("there is neither spiece.model nor tokenizer.json in " + where + "'" + instead +
                 (instead.empty()
                      ? ": copy that of the model there"
                      : ": make a tokenizer.json of that (AutoTokenizer.from_pretrained and save_pretrained "
                        "of transformers)"));
}

/// Whether a file is JSON, by its ending or its first character.
inline bool is_json(const std::filesystem::path& path) {
  if (path.extension() == ".json") return true;
  char first = 0;
  std::ifstream(path, std::ios::binary) >> first;
  return first == '{' || first == '[' || first == '\xEF';  // a byte order mark
}

}  // namespace detail

/// From a GGUF file, a tokenizer.json or a sentencepiece model of any name, or the directory of a model, where
/// spiece.model is preferred to tokenizer.json; those of a "text_encoder" may lie in the "tokenizer" beside it. Throws
/// io_error or format_error.
inline std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) {
    const auto folders = detail::tokenizer_folders(path);
    for (const auto& folder : folders)
      for (const char* name : {"spiece.model", "tokenizer.json"})
        if (std::filesystem::exists(folder / name)) return load_tokenizer(folder / name);
    detail::no_tokenizer(folders);
  }
  if (is_gguf(path)) return std::make_unique<BpeTokenizer>(bpe_from_gguf(Gguf::open(path)));
  if (path.extension() == ".model" || !detail::is_json(path)) return std::make_unique<SentencePieceTokenizer>(path);
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
