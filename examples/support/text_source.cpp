// SPDX-License-Identifier: MIT
// States of a language model, from its files or from a cache.
#include "text_source.hpp"

#include <modelgrow/text.hpp>
#include <modelgrow/text/embedding_cache_update.hpp>

#include "encoding_progress.hpp"

namespace example {

mg::PromptManifest prompt_of_examples() {
  return {.prompt_template = "An animated picture of {}",
          .crop_start = mg::PromptManifest::at_caption,
          .max_length = 32,
          .layers = mg::HiddenLayers::mean_of_all()};
}

std::vector<std::string> texts_of(const ClipData& data, Reworded which) {
  std::vector<std::string> texts;
  const auto add = [&](const ClipSet& side, bool keywords) {
    texts.insert(texts.end(), side.captions.begin(), side.captions.end());
    if (keywords)
      for (const auto& words : side.keywords) texts.push_back(keyword_prompt(words));
  };
  add(data.train, which == Reworded::all);
  add(data.validation, true);
  return texts;
}

mg::EmbeddingCache states_of(const std::filesystem::path& source, std::span<const std::string> texts,
                             const std::filesystem::path& directory, const mg::PromptManifest& how, mg::Ranks& ranks) {
  if (source.extension() == ".safetensors") return mg::EmbeddingCache::open(source);
  std::filesystem::path file;
  ranks.together([&] {
    if (!ranks.first()) return;
    const auto encoder = mg::CaptionEncoder<mg::Cpu>::open(source, how);
    file = directory / ("states-" + mg::hex_digits(mg::hash(encoder.manifest())) + ".safetensors");
    std::filesystem::create_directories(directory);
    mg::EmbeddingCacheUpdate<mg::Cpu>(encoder, texts, file).write(encoding_progress(), 4096);
  });
  return mg::EmbeddingCache::open(ranks.all(file.string())[0]);
}

void require_states(const mg::EmbeddingCache& cache, std::span<const std::string> texts) {
  for (const auto& text : texts)
    if (!cache.contains(text)) cache.states<float>(std::span(&text, 1));  // says how to add it
}

TextSource text_source(const mg::EmbeddingCache& cache) {
  return [cache](std::span<const std::string> captions) { return cache.states<float>(captions); };
}

TextSource text_source(const std::filesystem::path& language_model, const mg::PromptManifest& how) {
  const auto encoder = mg::CaptionEncoder<mg::Cpu>::open(language_model, how);
  return [encoder](std::span<const std::string> captions) { return encoder.states<float>(captions); };
}

}  // namespace example
