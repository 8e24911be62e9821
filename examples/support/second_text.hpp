// SPDX-License-Identifier: MIT
// A language model as second text encoder of the examples: its states of all captions are computed once and kept in a
// cache file, from which training reads.
#pragma once
#include <modelgrow/text.hpp>
#include <modelgrow/text/embedding_cache_update.hpp>

#include "encoding_progress.hpp"
#include "flow_task.hpp"

namespace example {

/// How the examples feed a language model: the words before the caption give the first of its tokens something to look
/// back at, and are cut off; the mean of all layers, each normalised, carries more than the last (arXiv 2506.08210).
inline mg::PromptManifest prompt_of_examples() {
  return {.prompt_template = "An animated picture of {}",
          .crop_start = mg::PromptManifest::at_caption,
          .max_length = 32,
          .layers = mg::HiddenLayers::mean_of_all()};
}

/// All texts that training and evaluation show: captions, and keywords as prompts.
inline std::vector<std::string> all_texts(const ClipData& data) {
  std::vector<std::string> texts;
  for (const ClipSet* side : {&data.train, &data.validation})
    for (std::size_t i = 0; i < side->count(); ++i) {
      texts.push_back(side->captions[i]);
      texts.push_back(keyword_prompt(side->keywords[i]));
    }
  return texts;
}

/// States of `texts`: `source` is a cache of states, or a language model (a .gguf file or a directory), whose states
/// are kept in `directory`, in a file that is named by the manifest. Throws Stopped after Ctrl-C.
inline mg::EmbeddingCache states_of(const std::filesystem::path& source, std::span<const std::string> texts,
                                    const std::filesystem::path& directory, const mg::PromptManifest& how) {
  if (source.extension() == ".safetensors") return mg::EmbeddingCache::open(source);
  const auto encoder = mg::CaptionEncoder<mg::Cpu>::open(source, how);
  const auto file = directory / ("states-" + mg::hex_digits(mg::hash(encoder.manifest())) + ".safetensors");
  std::filesystem::create_directories(directory);
  mg::EmbeddingCacheUpdate<mg::Cpu>(encoder, texts, file).write(encoding_progress(), 4096);
  return mg::EmbeddingCache::open(file);
}

/// What a task reads from a cache; it shares the mapping.
inline SecondText<float> second_text(const mg::EmbeddingCache& cache) {
  return [cache](std::span<const std::string> captions) { return cache.states<float>(captions); };
}

}  // namespace example
