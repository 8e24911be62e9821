// SPDX-License-Identifier: MIT
// Loss and validation of rectified flow, and the forward check of a growth.
#include "flow_task.hpp"

#include <numeric>

#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/diffusion/guidance.hpp>
#include <modelgrow/ops/mse.hpp>

namespace example {

namespace {
mg::Var<float, Device> error(Tape& tape, Model& model, const mg::FlowBatch<float, Device>& batch,
                             const PromptReader::Texts& texts) {
  return mg::mse(tape, PromptReader::velocity_of(tape, model, batch.noisy, batch.time, texts), batch.target);
}
}  // namespace

FlowTask::FlowTask(const ClipData& d, std::uint64_t batch, std::uint64_t seed, mg::Augmentation a,
                   std::optional<double> shift)
    : data(d),
      batches(d.train.count(), batch, seed),
      flow{.shift = shift.value_or(d.noise_shift), .seed = seed},
      augmentation(a) {
  augmentation.seed = seed;
  noise_shift = flow.shift;
}

mg::Var<float, Device> FlowTask::loss(Tape& tape, Model& model, std::uint64_t step) const {
  const auto indices = batches.at(step);
  const std::uint64_t first = step * batches.batch();
  auto clips = data.train.gather(indices);
  for (std::uint64_t i = 0; i < indices.size(); ++i)
    mg::augment(std::span(clips.data() + i * data.train.clip_size(), data.train.clip_size()), data.train.channels,
                data.train.size, augmentation, first + i);
  const auto batch = mg::training_batch<float, Device>(flow, std::move(clips), first);
  auto texts = read(tape, model, data.train.gather_captions(indices));
  const auto count = std::int64_t(indices.size());
  const auto dropped = mg::caption_dropout(caption_dropout, flow.seed, first, count);
  drop(texts, dropped);
  if (first_text_dropout > 0) {
    const auto alone = mg::caption_dropout(first_text_dropout, flow.seed ^ mg::hash_name("first text"), first, count);
    for (std::int64_t i = 0; i < count; ++i) alone.data()[i] |= dropped.data()[i];
    texts.first.dropped = mg::to_device<Device>(alone);
  }
  return error(tape, model, batch, texts);
}

double FlowTask::validation_loss(Tape& tape, Model& model, Captions captions, std::size_t rounds) const {
  const ClipSet& set = data.validation;
  std::vector<std::size_t> whose(set.count());
  std::iota(whose.begin(), whose.end(), captions == Captions::others ? set.count() / 2 : 0);
  for (auto& i : whose) i %= set.count();
  return validation_loss(tape, model,
                         captions == Captions::keywords ? set.gather_keywords(whose) : set.gather_captions(whose),
                         rounds, captions == Captions::none ? Shown::null_captions : Shown::captions);
}

double FlowTask::validation_loss(Tape& tape, Model& model, const std::vector<std::string>& captions,
                                 std::size_t rounds) const {
  return validation_loss(tape, model, captions, rounds, Shown::captions);
}

double FlowTask::validation_loss(Tape& tape, Model& model, const std::vector<std::string>& captions, std::size_t rounds,
                                 Shown shown) const {
  constexpr std::size_t chunk = 32;
  const ClipSet& set = data.validation;
  if (rounds == 0 || set.count() == 0)
    throw mg::error("a validation loss of " + std::to_string(set.count()) + " clips in " + std::to_string(rounds) +
                    " rounds: both must be positive");
  if (captions.size() != set.count())
    throw mg::shape_error("a validation loss of " + std::to_string(set.count()) + " clips with " +
                          std::to_string(captions.size()) + " captions: give one for each");
  mg::FlowMatching fixed = flow;
  fixed.seed = 12345;  // one noise for every run that is compared
  return tape.without_recording([&] {
    double sum = 0;
    for (std::size_t round = 0; round < rounds; ++round)
      for (std::size_t from = 0; from < set.count(); from += chunk) {
        std::vector<std::size_t> indices(std::min(chunk, set.count() - from));
        std::iota(indices.begin(), indices.end(), from);
        const auto batch =
            mg::validation_batch<float, Device>(fixed, set.gather(indices), round * set.count() + from, 2 * chunk + 1);
        auto texts =
            read(tape, model,
                 {captions.begin() + std::ptrdiff_t(from), captions.begin() + std::ptrdiff_t(from + indices.size())});
        if (shown == Shown::null_captions) {
          mg::Tensor<std::int32_t, mg::Cpu> all({std::int64_t(indices.size())});
          std::ranges::fill(all.span(), 1);
          drop(texts, all);
        }
        sum += double(mg::to_cpu(error(tape, model, batch, texts).value()).data()[0]) * double(indices.size());
      }
    return sum / double(rounds * set.count());
  });
}

mg::ForwardCheck FlowTask::compare(const mg::Plan& plan, Model& before, Model& after) const {
  return mg::forward_check<float, Device>(plan, before, after, [&](Tape& tape, Model& model) {
    const auto indices = batches.at(0);
    const auto batch = mg::validation_batch<float>(flow, data.train.gather(indices), 0);
    const auto texts = read(tape, model, data.train.gather_captions(indices));
    return model.transformer.forward(tape, tape.constant(batch.noisy), batch.time, texts.first, texts.second);
  });
}

}  // namespace example
