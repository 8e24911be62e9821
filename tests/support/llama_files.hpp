// SPDX-License-Identifier: MIT
// A GGUF file of a Llama of one layer, any part of which can be wrong.
#pragma once
#include <bit>
#include <string>
#include <vector>

#include <tests/support/gguf_bytes.hpp>

namespace modelgrow::testing {

/// Width 8, 4 heads of 2, 2 key heads, ffn 6, vocabulary 5; all weights are 0.5.
struct LlamaGguf {
  std::string architecture = "llama";
  std::string without_key = {}, without_tensor = {};
  std::uint32_t key_heads = 2, ffn = 6;  // as the metadata say; the tensors stay as they are
  std::uint64_t extra_rope_factors = 0;
  std::vector<std::string> more = {};  // further metadata

  std::string bytes() const {
    GgufBytes file{
        .values = {gguf_value("general.architecture", 8, gguf_string(architecture))}, .tensors = {}, .data = {}};
    const auto number = [&](const std::string& key, std::uint32_t type, std::uint32_t value) {
      if (key != without_key) file.values.push_back(gguf_value(key, type, u32(value)));
    };
    for (const auto& [key, value] : {std::pair{"block_count", 1u},
                                     {"embedding_length", 8u},
                                     {"context_length", 9u},
                                     {"feed_forward_length", ffn},
                                     {"attention.head_count", 4u},
                                     {"attention.head_count_kv", key_heads}})
      number(architecture + "." + key, 4, value);
    number(architecture + ".attention.layer_norm_rms_epsilon", 6, std::bit_cast<std::uint32_t>(1e-5f));
    file.values.insert(file.values.end(), more.begin(), more.end());

    const auto tensor = [&](const std::string& name, const std::vector<std::uint64_t>& sizes) {
      if (name == without_tensor) return;
      file.tensors.push_back(gguf_tensor(name, sizes, 0, file.data.size()));
      std::uint64_t n = 1;
      for (auto size : sizes) n *= size;
      for (std::uint64_t i = 0; i < n; ++i) file.data += u32(std::bit_cast<std::uint32_t>(0.5f));
      file.data.resize((file.data.size() + 31) / 32 * 32);
    };
    tensor("token_embd.weight", {8, 5});
    tensor("output_norm.weight", {8});
    for (const char* name : {"attn_norm", "ffn_norm"}) tensor("blk.0." + std::string(name) + ".weight", {8});
    for (const char* name : {"attn_q", "attn_output"}) tensor("blk.0." + std::string(name) + ".weight", {8, 8});
    for (const char* name : {"attn_k", "attn_v"}) tensor("blk.0." + std::string(name) + ".weight", {8, 4});
    for (const char* name : {"ffn_gate", "ffn_up"}) tensor("blk.0." + std::string(name) + ".weight", {8, 6});
    tensor("blk.0.ffn_down.weight", {6, 8});
    if (extra_rope_factors) tensor("rope_freqs.weight", {extra_rope_factors});
    return file.bytes();
  }
};

}  // namespace modelgrow::testing
