// SPDX-License-Identifier: MIT
// States of the small encoder with the bytes that they stand for, to be aligned with those of another encoder.
#pragma once
#include <modelgrow/models/byte_encoder.hpp>
#include <modelgrow/text/caption_states.hpp>

namespace modelgrow::inline v0 {

/// States of captions in their order, `at_once` captions computed together; captions that are too long lose their end.
template <class T, Device D>
CaptionStates caption_states(ByteEncoder<T, D>& encoder, std::span<const std::string> captions,
                             std::size_t at_once = 64) {
  const std::int64_t width = encoder.width();
  CaptionStates all;
  std::vector<float> rows;
  Tape<T, D> tape(Tape<T, D>::Mode::infer);
  for (std::size_t from = 0; from < captions.size(); from += at_once) {
    const auto part = captions.subspan(from, std::min(at_once, captions.size() - from));
    const auto text = encoder.encode(tape, part);
    const auto states = to_cpu(text.states.value());
    const auto lengths = to_cpu(text.lengths);
    for (std::int64_t i = 0; i < lengths.size(); ++i) {
      const std::int64_t n = lengths.data()[i];
      const T* const first = states.data() + i * states.dim(1) * width;
      rows.insert(rows.end(), first, first + n * width);
      all.begins.push_back(all.begins.back() + n);
      const auto tokens = std::size_t(n) - 2;  // between the marks
      const auto words = encoder.config.words.empty() ? std::vector<WordSpan>{} : word_spans(part[std::size_t(i)]);
      all.spans.push_back({});
      for (std::size_t k = 0; k < tokens; ++k)
        if (words.empty())
          all.spans.push_back({.begin = k, .end = k + 1});
        else
          all.spans.push_back({.begin = words[k].begin, .end = words[k].end});
      const std::size_t end = all.spans.back().end;
      all.spans.push_back({.begin = end, .end = end});
    }
  }
  all.states = Tensor<float, Cpu>::from({all.begins.back(), width}, rows);
  return all;
}

}  // namespace modelgrow::inline v0
