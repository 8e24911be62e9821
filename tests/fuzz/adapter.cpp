// SPDX-License-Identifier: MIT
// adapter_config.json: what it says of a layer it says of the layer behind a growth, under its new name.
#include <cmath>

#include <modelgrow/checkpoint/adapter_config.hpp>
#include <tests/fuzz/support/target.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return read_or_refuse(data, size, [](std::string_view text) {
    const std::string before = "blocks.1.attn.to_q", now = "blocks.3.attn.to_q";
    const LoraConfig config(std::string(text), "", "fuzz");
    const double alpha = config.alpha_of(before), rank = config.rank_of(before).value_or(4);
    if (!(rank >= 1 && rank <= 1e6) || rank != std::floor(rank)) return;  // of no factor
    const MovedLayer layer{.before = before, .name = before, .rank = std::int64_t(rank), .alpha = alpha};
    must(config.text_for({layer}, {}) == text, "what has not moved stays as it was");
    MovedLayer moved = layer;
    moved.name = now;
    const LoraConfig again(config.text_for({moved}, {}), "", "written");
    must(again.alpha_of(now) == alpha, "alphas move");
    must(again.rank_of(now).value_or(rank) == rank, "ranks move");
    must(again.rslora() == config.rslora(), "the kind of scale stays");
  });
}
