// SPDX-License-Identifier: MIT
// Tiny language models that read text: random weights with the tokenizers of tests/golden/tokenizers.
#pragma once
#include <bit>
#include <string>

#include <modelgrow/checkpoint/gguf.hpp>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/detail/json.hpp>
#include <tests/support/gguf_bytes.hpp>
#include <tests/support/raw_files.hpp>

namespace modelgrow::testing {

/// A Llama of width 16, two layers and 256 positions that has the tokenizer of smollm.gguf.
struct TinyLlm {
  std::uint64_t seed = 1;
  float final_norm = 1.0f;                // scale of the last state
  std::uint32_t begin_of_text = 0;        // 1: prompts begin with a mark
  std::vector<std::string> further = {};  // metadata

  std::string bytes() const {
    const auto golden = Gguf::open(std::filesystem::path(MODELGROW_SOURCE_DIR) / "tests/golden/tokenizers/smollm.gguf");
    GgufBytes file{.values = further, .tensors = {}, .data = {}};
    for (const auto& [key, v] : golden.metadata()) {
      std::string bytes(reinterpret_cast<const char*>(v.bytes.data()), v.bytes.size());
      if (key == "tokenizer.ggml.add_bos_token") bytes = std::string(1, char(begin_of_text));
      if (v.is_array) bytes = u32(std::uint32_t(v.type)) + u64(v.count) + bytes;
      file.values.push_back(gguf_value(key, v.is_array ? 9 : std::uint32_t(v.type), bytes));
    }
    for (const auto& [key, value] : {std::pair{"block_count", 2u},
                                     {"embedding_length", 16u},
                                     {"context_length", 256u},
                                     {"feed_forward_length", 24u},
                                     {"attention.head_count", 4u},
                                     {"attention.head_count_kv", 2u}})
      file.values.push_back(gguf_value("llama." + std::string(key), 4, u32(value)));
    file.values.push_back(
        gguf_value("llama.attention.layer_norm_rms_epsilon", 6, u32(std::bit_cast<std::uint32_t>(1e-5f))));

    const auto tensor = [&](const std::string& name, const std::vector<std::uint64_t>& sizes, float mean, float scale) {
      file.tensors.push_back(gguf_tensor(name, sizes, 0, file.data.size()));
      const Rng rng(seed, hash_name(name));
      std::uint64_t n = 1;
      for (auto size : sizes) n *= size;
      for (std::uint64_t i = 0; i < n; ++i)
        file.data += u32(std::bit_cast<std::uint32_t>(mean + scale * float(rng.normal(i))));
      file.data.resize((file.data.size() + 31) / 32 * 32);
    };
    const auto vocabulary = std::uint64_t(golden.metadata().texts("tokenizer.ggml.tokens").size());
    tensor("token_embd.weight", {16, vocabulary}, 0, 1);
    tensor("output_norm.weight", {16}, final_norm, 0.1f * final_norm);
    for (const std::string block : {"blk.0.", "blk.1."}) {
      for (const char* name : {"attn_norm", "ffn_norm"}) tensor(block + name + ".weight", {16}, 1, 0.1f);
      for (const char* name : {"attn_q", "attn_output"}) tensor(block + name + ".weight", {16, 16}, 0, 0.3f);
      for (const char* name : {"attn_k", "attn_v"}) tensor(block + name + ".weight", {16, 8}, 0, 0.3f);
      for (const char* name : {"ffn_gate", "ffn_up"}) tensor(block + name + ".weight", {16, 24}, 0, 0.3f);
      tensor(block + "ffn_down.weight", {24, 16}, 0, 0.3f);
    }
    return file.bytes();
  }
  /// Writes it as `name` into a scratch directory.
  std::filesystem::path in(const Scratch& scratch, const std::string& name = "tiny.gguf") const {
    return put(scratch / name, bytes());
  }
};

/// The BERT of tests/golden/llm, which knows 24 tokens and reads 16, with a tokenizer for it: "[CLS] .. [SEP]".
inline std::filesystem::path tiny_bert(const Scratch& scratch) {
  const auto root = std::filesystem::path(MODELGROW_SOURCE_DIR) / "tests/golden";
  const auto model = scratch / "bert";
  std::filesystem::create_directory(model);
  std::filesystem::copy_file(root / "llm/bert.safetensors", model / "model.safetensors");
  auto tokenizer = detail::parse_json(get(root / "tokenizers/wordpiece.json"), "wordpiece.json");
  auto& vocabulary = tokenizer["model"]["vocab"] = detail::json::object();
  for (const char* word :
       {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "heart", "cat", "waving", "video", "of", ":"})
    vocabulary[word] = vocabulary.size();
  put(model / "tokenizer.json", tokenizer.dump());
  return model;
}

}  // namespace modelgrow::testing
