// SPDX-License-Identifier: MIT
// hidden_states <model>: reads prompts (u32 count, ids) and writes every hidden state (floats [states, tokens, width]),
// for scripts/check-llm.
#include <cstdio>

#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/models/prompt_encoder.hpp>

using namespace modelgrow;

int main(int, char** arguments) try {
  const auto model = PromptEncoder<Cpu>::open(arguments[1]);
  PackedPrompts prompts;
  std::uint32_t n;
  for (std::vector<std::int32_t> ids; std::fread(&n, 4, 1, stdin) == 1;) {
    ids.resize(n);
    if (std::fread(ids.data(), 4, n, stdin) != n) return 1;
    prompts.add(ids);
  }
  for (const auto& state : model.encode(prompts, {.indices = {}}))
    std::fwrite(state.data(), 4, std::size_t(state.size()), stdout);
} catch (const error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
