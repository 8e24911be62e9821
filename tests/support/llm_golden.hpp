// SPDX-License-Identifier: MIT
// The tiny language models of tests/golden/llm, with the hidden states that transformers gives for them.
#pragma once
#include <modelgrow/models/mapped_weights.hpp>
#include <modelgrow/models/packed_prompts.hpp>
#include <tests/support/raw_files.hpp>

namespace modelgrow::testing {

inline const std::filesystem::path llm_golden = std::filesystem::path(MODELGROW_SOURCE_DIR) / "tests/golden/llm";

/// What make_llm.py puts beside the weights.
struct Expected {
  PackedPrompts prompts;
  Tensor<double, Cpu> hidden;  // [states, tokens, width]

  explicit Expected(const std::string& name) {
    const auto file = MappedWeights::open(llm_golden / name);
    hidden = Tensor<double, Cpu>(file.shape("golden.hidden"));
    std::vector<double> ids, lengths;
    read(file, "golden.ids", ids);
    read(file, "golden.lengths", lengths);
    std::size_t at = 0;
    for (const double n : lengths) {
      prompts.add(std::vector<std::int32_t>(ids.begin() + std::ptrdiff_t(at),
                                            ids.begin() + std::ptrdiff_t(at + std::size_t(n))));
      at += std::size_t(n);
    }
    std::vector<double> states;
    read(file, "golden.hidden", states);
    std::copy(states.begin(), states.end(), hidden.data());
  }
  Tensor<double, Cpu> state(std::int64_t i) const {
    const std::int64_t n = hidden.dim(1), width = hidden.dim(2);
    return hidden.view(i * n * width, {n, width});
  }

  static void read(const MappedWeights& file, const std::string& name, std::vector<double>& values) {
    const auto n = std::size_t(numel(file.shape(name)));
    const std::byte* data = file.gguf() ? file.gguf()->at(name).data.data() : file.checkpoint()->tensor(name).data;
    const bool integers = !file.gguf() && file.checkpoint()->tensor(name).dtype == DType::i32;
    for (std::size_t i = 0; i < n; ++i) {
      std::int32_t whole;
      float real;
      std::memcpy(&whole, data + 4 * i, 4);
      std::memcpy(&real, data + 4 * i, 4);
      values.push_back(integers ? double(whole) : double(real));
    }
  }
};

/// A copy of a golden file as model.safetensors, in which every `from` has become `to`, which must be as long.
inline std::filesystem::path altered_golden(const std::string& name, const std::string& from, const std::string& to,
                                            const Scratch& scratch) {
  std::string bytes = get(llm_golden / name);
  REQUIRE(from.size() == to.size());
  REQUIRE(bytes.find(from) != bytes.npos);
  for (auto at = bytes.find(from); at != bytes.npos; at = bytes.find(from, at + to.size()))
    bytes.replace(at, from.size(), to);
  return put(scratch / "model.safetensors", bytes);
}

}  // namespace modelgrow::testing
