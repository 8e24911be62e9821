// SPDX-License-Identifier: MIT
// What the examples train: a text-to-video model by rectified flow on captioned clips, with caption dropout.
#pragma once
#include <numeric>

#include <modelgrow/data/augment.hpp>
#include <modelgrow/diffusion/flow_matching.hpp>
#include <modelgrow/ops/mse.hpp>

#include "clip_data.hpp"
#include "prompt_reader.hpp"

namespace example {

/// Loss and validation of one kind of training; everything random is a function of (seed, step).
template <class T, class D>
struct FlowTask : PromptReader<T, D> {
  using typename PromptReader<T, D>::Texts;
  using PromptReader<T, D>::read, PromptReader<T, D>::drop, PromptReader<T, D>::velocity_of;
  const ClipData& data;
  mg::Batches batches;
  mg::FlowMatching flow;
  mg::Augmentation augmentation;
  double caption_dropout = 0.1;
  double first_text_dropout = 0;  // of captions that the second encoder keeps, so that training needs it

  FlowTask(const ClipData& d, std::uint64_t batch, std::uint64_t seed, mg::Augmentation a = {})
      : data(d), batches(d.train.count(), batch, seed), flow{.shift = noise_shift, .seed = seed}, augmentation(a) {
    augmentation.seed = seed;
  }

  /// Training loss of one step.
  mg::Var<T, D> loss(mg::Tape<T, D>& tape, mg::TextToVideo<T, D>& model, std::uint64_t step) const {
    const auto indices = batches.at(step);
    const std::uint64_t first = step * batches.batch();
    auto clips = data.train.gather(indices);
    for (std::uint64_t i = 0; i < indices.size(); ++i)
      mg::augment(std::span(clips.data() + i * data.train.clip_size(), data.train.clip_size()), data.train.channels,
                  data.train.size, augmentation, first + i);
    const auto batch = mg::training_batch<T, D>(flow, std::move(clips), first);
    auto texts = read(tape, model, data.train.gather_captions(indices));
    const auto count = std::int64_t(indices.size());
    const auto dropped = mg::caption_dropout(caption_dropout, flow.seed, first, count);
    drop(texts, dropped);
    if (first_text_dropout > 0) {
      const auto alone = mg::caption_dropout(first_text_dropout, flow.seed ^ mg::hash_name("first text"), first, count);
      for (std::int64_t i = 0; i < count; ++i) alone.data()[i] |= dropped.data()[i];
      texts.first.dropped = mg::to_device<D>(alone);
    }
    return error(tape, model, batch, texts);
  }

  /// Whose captions the validation clips are shown with. A model that listens does worse with those of other clips, and
  /// one that understands does well with words that it was never trained on.
  enum class Captions { own, others, keywords };

  /// Mean loss over all validation clips at fixed noise and noise levels spread evenly before the shift.
  double validation_loss(mg::Tape<T, D>& tape, mg::TextToVideo<T, D>& model, Captions captions = Captions::own,
                         std::size_t rounds = 2) const {
    constexpr std::size_t chunk = 32;
    mg::FlowMatching fixed = flow;
    fixed.seed = 12345;  // one noise for every run that is compared
    return tape.without_recording([&] {
      const ClipSet& set = data.validation;
      double sum = 0;
      for (std::size_t round = 0; round < rounds; ++round)
        for (std::size_t from = 0; from < set.count(); from += chunk) {
          std::vector<std::size_t> indices(std::min(chunk, set.count() - from));
          std::iota(indices.begin(), indices.end(), from);
          const auto batch =
              mg::validation_batch<T, D>(fixed, set.gather(indices), round * set.count() + from, 2 * chunk + 1);
          if (captions == Captions::others)
            for (auto& i : indices) i = (i + set.count() / 2) % set.count();
          const auto texts =
              read(tape, model,
                   captions == Captions::keywords ? set.gather_keywords(indices) : set.gather_captions(indices));
          sum += double(mg::to_cpu(error(tape, model, batch, texts).value()).data()[0]) * double(indices.size());
        }
      return sum / double(rounds * set.count());
    });
  }

 private:
  static mg::Var<T, D> error(mg::Tape<T, D>& tape, mg::TextToVideo<T, D>& model, const mg::FlowBatch<T, D>& batch,
                             const Texts& texts) {
    return mg::mse(tape, velocity_of(tape, model, batch.noisy, batch.time, texts), batch.target);
  }
};

}  // namespace example
