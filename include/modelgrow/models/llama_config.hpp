// SPDX-License-Identifier: MIT
// The sizes of a model of the Llama family: Llama, Mistral and SmolLM, Qwen2 (biases), Qwen3 (norms of queries and
// keys).
#pragma once
#include <string>
#include <vector>

#include <modelgrow/ops/rotary.hpp>

namespace modelgrow::inline v0 {

/// What llama_gguf.hpp and llama_json.hpp read. Whether there are biases and query norms, the names of the tensors say.
struct LlamaConfig {
  static constexpr std::string_view model_types[] = {"llama", "mistral", "qwen2", "qwen3"};
  std::int64_t width = 0, depth = 0, num_heads = 0, num_kv_heads = 0, head_dim = 0, ffn = 0, vocabulary = 0;
  std::int64_t max_length = 0;  // of a prompt; no longer than the attention window, if there is one
  double norm_eps = 1e-6, rope_theta = 10000;
  std::vector<float> rope_factors;  // each divides the frequency of one pair; empty means ones
  RotaryPairs rope_pairs = RotaryPairs::halves;
  bool operator==(const LlamaConfig&) const = default;

  /// Throws format_error with `where` when the sizes contradict each other.
  void check(const std::string& where) const {
    const auto fail = [&](const std::string& what) { throw format_error(where + ": " + what); };
    const std::pair<const char*, std::int64_t> sizes[] = {
        {"width", width},       {"depth", depth}, {"num_heads", num_heads},   {"num_kv_heads", num_kv_heads},
        {"head_dim", head_dim}, {"ffn", ffn},     {"vocabulary", vocabulary}, {"max_length", max_length}};
    for (const auto& [name, size] : sizes)
      if (size <= 0 || size > std::int64_t{1} << 31)
        fail(std::string("the ") + name + " of the language model is " + std::to_string(size));
    if (num_heads % num_kv_heads != 0)
      fail("there are " + std::to_string(num_heads) + " heads and " + std::to_string(num_kv_heads) +
           " key heads; expected a divisor");
    if (head_dim % 2 != 0 || head_dim > 1 << 16)
      fail("the heads have " + std::to_string(head_dim) + " values; rotary positions need pairs, 32768 at most");
    if (!rope_factors.empty() && std::int64_t(rope_factors.size()) != head_dim / 2)
      fail("there are " + std::to_string(rope_factors.size()) + " rotary factors; expected one for each of " +
           std::to_string(head_dim / 2) + " pairs");
    if (!(norm_eps > 0) || !(rope_theta > 0)) fail("the epsilon of the norms and the rotary base must be positive");
  }
};

}  // namespace modelgrow::inline v0
