// SPDX-License-Identifier: MIT
// A fingerprint of a language model on disk that costs milliseconds, whatever its size.
#pragma once
#include <algorithm>

#include <modelgrow/models/config_json.hpp>
#include <modelgrow/models/mapped_weights.hpp>
#include <modelgrow/text/prompt_manifest_json.hpp>
#include <modelgrow/text/tokenizer.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// All bytes of a small tensor; 16 blocks of 64 bytes, the first and last included, of a large one.
inline void append_sample(std::string& text, std::span<const std::byte> bytes) {
  constexpr std::size_t blocks = 16, size = 64;
  const auto append = [&](std::span<const std::byte> part) {
    text.append(reinterpret_cast<const char*>(part.data()), part.size());
  };
  if (bytes.size() <= blocks * size) return append(bytes);
  for (std::size_t i = 0; i < blocks; ++i) append(bytes.subspan((bytes.size() - size) * i / (blocks - 1), size));
}

/// Letters and marks of several scripts, numbers, white space and emoji: tokenizers that treat them alike are alike.
inline constexpr std::string_view tokenizer_probe =
    "The quick brown fox's 1234567 jumps;\n\n  over_the {lazy} dog, isn't it?\t\xC3\x89t\xC3\xA9 "
    "\xD0\xBC\xD0\xB8\xD1\x80 \xE4\xBD\xA0\xE5\xA5\xBD \xE3\x81\x8B\xE3\x81\xAA \xED\x95\x9C\xEA\xB8\x80 "
    "\xD8\xB3\xD9\x84\xD8\xA7\xD9\x85 \xE0\xA4\xA8\xE0\xA4\xAE \xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD "
    "www.example.com/x?y=1.5e-3";

}  // namespace detail

/// 16 hexadecimal digits: FNV-1a over the configuration; the name, type, shape, size and 1 KiB of sampled bytes of each
/// tensor (every fine-tuning changes those); the size of the vocabulary and the tokens of a probe. Names of files and
/// the wording of other metadata do not count. Throws io_error or format_error.
inline std::string model_fingerprint(const std::filesystem::path& path, const Tokenizer& tokenizer) {
  std::vector<std::string> tensors;
  const auto add = [&](const std::string& name, std::string_view type, const Shape& shape,
                       std::span<const std::byte> bytes) {
    std::string text = name + ' ' + std::string(type) + ' ' + to_string(shape) + ' ' + std::to_string(bytes.size());
    detail::append_sample(text += '\n', bytes);
    tensors.push_back(std::move(text));
  };
  const auto weights = MappedWeights::open(path);
  std::string text;
  if (const Gguf* gguf = weights.gguf()) {
    const std::string architecture(gguf->metadata().text("general.architecture"));
    text = architecture + '\n';
    for (const auto& [key, value] : gguf->metadata())
      if (key.starts_with(architecture + ".")) {
        text.append(key) += '\n';
        text.append(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
      }
    for (const auto& t : gguf->tensors()) add(t.name, std::to_string(std::uint32_t(t.type)), t.shape, t.data);
  } else {
    auto config = detail::parse_config(weights.config(), weights.config_file());
    for (const char* wording : {"transformers_version", "_name_or_path"}) config.erase(wording);
    text = config.dump();
    for (const auto& t : weights.checkpoint()->tensors()) add(t.name, name(t.dtype), t.shape, t.span());
  }
  std::sort(tensors.begin(), tensors.end());
  for (const auto& t : tensors) text += t;
  text += std::to_string(tokenizer.vocabulary());
  for (const auto id : tokenizer.encode(detail::tokenizer_probe).ids) text += ' ' + std::to_string(id);
  return hex_digits(hash_name(text));
}

}  // namespace modelgrow::inline v0
