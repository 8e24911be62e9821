// SPDX-License-Identifier: MIT
// A language model as text encoder of the examples: its states of all captions are computed once and kept in a
// cache file, from which training reads.
#pragma once
#include <modelgrow/grow/ranks.hpp>
#include <modelgrow/text/embedding_cache.hpp>
#include <modelgrow/text/prompt_manifest_json.hpp>

#include "clip_data.hpp"
#include "prompt_reader.hpp"

namespace example {

/// How the examples feed a language model: the words before the caption give the first of its tokens something to look
/// back at, and are cut off; the mean of all layers, each normalised, carries more than the last (arXiv 2506.08210).
mg::PromptManifest prompt_of_examples();

/// The clips whose keywords are shown as prompts.
enum class Reworded { held_out, all };
/// The texts that training and evaluation show: captions, and keywords as prompts.
std::vector<std::string> texts_of(const ClipData& data, Reworded which);

/// States of `texts`: `source` is a cache of states, or a language model (a .gguf file or a directory), whose states
/// are kept in `directory`, in a file that is named by the manifest: the first rank computes them. Throws Stopped after
/// Ctrl-C.
mg::EmbeddingCache states_of(const std::filesystem::path& source, std::span<const std::string> texts,
                             const std::filesystem::path& directory, const mg::PromptManifest& how, mg::Ranks& ranks);

/// Throws format_error that names a text whose states are not there: before hours of training, not after.
void require_states(const mg::EmbeddingCache& cache, std::span<const std::string> texts);

/// What a task reads from a cache; it shares the mapping.
TextSource text_source(const mg::EmbeddingCache& cache);
/// What a task reads from a language model, fed as the manifest says. Throws format_error for another model.
TextSource text_source(const std::filesystem::path& language_model, const mg::PromptManifest& how);

}  // namespace example
