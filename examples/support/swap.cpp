// SPDX-License-Identifier: MIT
// Fitting, writing and measuring a swapped text encoder.
#include "swap.hpp"

#include <numeric>
#include <set>

#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/expand.hpp>
#include <modelgrow/text/aligned_pairs.hpp>
#include <modelgrow/text/byte_states.hpp>

namespace example {

namespace {
mg::PairMoments moments(Model& model, const LanguageModel& llm, std::span<const std::string> texts) {
  constexpr std::size_t chunk = 256;  // texts at once
  mg::PairMoments all(llm.states.width(), model.text_encoder->width());
  for (std::size_t from = 0; from < texts.size(); from += chunk) {
    const auto part = texts.subspan(from, std::min(chunk, texts.size() - from));
    mg::CaptionStates read = llm.states.unpadded(part);
    read.spans = llm.encoder.spans(part);
    const auto pairs = mg::aligned_pairs(read, mg::caption_states(*model.text_encoder, part));
    all.add(pairs.read, pairs.wanted);
  }
  return all;
}
}  // namespace

TextMap fit_text_map(Model& model, const LanguageModel& llm, const ClipData& data, double lambda) {
  std::set<std::string> seen(data.train.captions.begin(), data.train.captions.end()), fresh;
  for (const auto& words : data.train.keywords) seen.insert(keyword_prompt(words));
  const auto add_fresh = [&](const std::string& text) {
    if (!seen.contains(text)) fresh.insert(text);
  };
  for (const auto& caption : data.validation.captions) add_fresh(caption);
  for (const auto& words : data.validation.keywords) add_fresh(keyword_prompt(words));
  const auto fit = moments(model, llm, std::vector(seen.begin(), seen.end()));
  const auto judge = moments(model, llm, std::vector(fresh.begin(), fresh.end()));
  TextMap found{.map = fit.ridge(lambda), .fitted = fit.count(), .held_out = judge.count()};
  found.r2_fitted = fit.r_squared(found.map);
  if (judge.count() > 0) found.map.r_squared = found.r2_held_out = judge.r_squared(found.map);
  return found;
}

mg::Plan swap_plan(const std::filesystem::path& base, const mg::EmbeddingCache& states,
                   std::optional<mg::AffineMap> map, std::uint64_t seed) {
  return mg::plan(mg::Checkpoint::open(base / "transformer"), mg::allow_approximate,
                  mg::SwapTextEncoder{.width = states.width(),
                                      .max_length = states.manifest().max_length,
                                      .prompt = mg::to_json(states.manifest()),
                                      .seed = seed,
                                      .align = std::move(map)});
}

mg::OutputChange output_change(const FlowTask& task, Model& before, Model& after) {
  constexpr std::size_t chunk = 32;
  mg::OutputChange change;
  Tape tape(Tape::Mode::infer);
  const ClipSet& set = task.data.validation;
  for (std::size_t from = 0; from < set.count(); from += chunk) {
    std::vector<std::size_t> indices(std::min(chunk, set.count() - from));
    std::iota(indices.begin(), indices.end(), from);
    const auto batch = mg::validation_batch<float, Device>(task.flow, set.gather(indices), from, 2 * chunk + 1);
    const auto predict = [&](Model& model) {
      const auto texts = task.read(tape, model, set.gather_captions(indices));
      return mg::to_cpu(PromptReader::velocity_of(tape, model, batch.noisy, batch.time, texts).value());
    };
    change.add(predict(before), predict(after));
  }
  return change;
}

}  // namespace example
