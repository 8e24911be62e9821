// SPDX-License-Identifier: MIT
// Tokenizers and language models; links modelgrow::text (PCRE2, sentencepiece and utf8proc).
#pragma once
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/models/prompt_encoder.hpp>
#include <modelgrow/text/aligned_pairs.hpp>
#include <modelgrow/text/bpe_gguf.hpp>
#include <modelgrow/text/bpe_json.hpp>
#include <modelgrow/text/byte_states.hpp>
#include <modelgrow/text/caption_encoder.hpp>
#include <modelgrow/text/caption_states.hpp>
#include <modelgrow/text/embedding_cache.hpp>
#include <modelgrow/text/embedding_cache_update.hpp>
#include <modelgrow/text/load_tokenizer.hpp>
#include <modelgrow/text/model_fingerprint.hpp>
#include <modelgrow/text/prompt_manifest.hpp>
#include <modelgrow/text/prompt_manifest_json.hpp>
#include <modelgrow/text/ridge.hpp>
#include <modelgrow/text/sentencepiece.hpp>
#include <modelgrow/text/tokenizer.hpp>
#include <modelgrow/text/wordpiece.hpp>
