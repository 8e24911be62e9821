// SPDX-License-Identifier: MIT
// States of two text encoders that stand for the same bytes of the same captions, side by side.
#pragma once
#include <modelgrow/text/caption_states.hpp>

namespace modelgrow::inline v0 {

/// Row i of `read` [count, read_width] and row i of `wanted` [count, wanted_width] belong together.
struct AlignedPairs {
  std::int64_t count = 0, read_width = 0, wanted_width = 0;
  std::vector<double> read, wanted;
};

namespace detail {

/// The states of one caption: those in front of its text, those of its text, those behind it.
class SpannedCaption {
 public:
  SpannedCaption(const CaptionStates& all, std::int64_t i)
      : width_(all.states.dim(1)),
        states_(all.caption(i)),
        spans_(std::span(all.spans).subspan(std::size_t(all.begins[std::size_t(i)]), std::size_t(all.length(i)))) {
    const auto has_text = [](const TextSpan& s) { return s.begin < s.end; };
    text_begin_ = std::size_t(std::find_if(spans_.begin(), spans_.end(), has_text) - spans_.begin());
    text_end_ = spans_.size();
    while (text_end_ > text_begin_ && !has_text(spans_[text_end_ - 1])) --text_end_;
  }
  std::size_t size() const { return spans_.size(); }
  bool has_text() const { return text_begin_ < text_end_; }
  bool is_begin_mark(std::size_t t) const { return t < text_begin_; }
  bool is_end_mark(std::size_t t) const { return t >= text_end_; }
  const TextSpan& span(std::size_t t) const { return spans_[t]; }
  std::span<const float> state(std::size_t t) const { return states_.subspan(t * width_, width_); }

  /// The mean of the states with weights weight(t); false when all weights are zero.
  template <class Weight>
  bool mean(Weight&& weight, std::vector<double>& mean) const {
    double sum = 0;
    mean.assign(width_, 0);
    for (std::size_t t = 0; t < size(); ++t)
      if (const double w = weight(t); w > 0) {
        sum += w;
        for (std::size_t c = 0; c < width_; ++c) mean[c] += w * double(state(t)[c]);
      }
    for (double& m : mean) m /= sum > 0 ? sum : 1;
    return sum > 0;
  }

 private:
  std::size_t width_;
  std::span<const float> states_;
  std::span<const TextSpan> spans_;
  std::size_t text_begin_ = 0, text_end_ = 0;
};

}  // namespace detail

/// For every state of `read` what an encoder with the states `wanted` says there: the mean of its states, each weighted
/// by the bytes it has in common with the token, because neither vocabulary's tokens need lie inside the other's. Marks
/// and template words in front of a caption go with the mean of those in front of it, those behind with those behind.
/// States without counterpart, and captions without text, are left out. Throws shape_error for states without spans
/// and for different numbers of captions.
inline AlignedPairs aligned_pairs(const CaptionStates& read, const CaptionStates& wanted) {
  for (const auto* s : {&read, &wanted})
    if (std::int64_t(s->spans.size()) != s->begins.back())
      throw shape_error("there are " + std::to_string(s->begins.back()) + " states and spans of " +
                        std::to_string(s->spans.size()) +
                        " of them: take the spans from the tokenizer that made the states");
  if (read.count() != wanted.count())
    throw shape_error("states of " + std::to_string(read.count()) + " captions cannot be aligned with those of " +
                      std::to_string(wanted.count()) + ": encode the same captions with both");
  AlignedPairs pairs;
  if (read.count() == 0) return pairs;
  pairs.read_width = read.states.dim(1);
  pairs.wanted_width = wanted.states.dim(1);
  std::vector<double> mean;
  for (std::int64_t i = 0; i < read.count(); ++i) {
    const detail::SpannedCaption a(read, i), b(wanted, i);
    if (!a.has_text() || !b.has_text()) continue;
    for (std::size_t t = 0; t < a.size(); ++t) {
      const auto common = [&](std::size_t u) -> double {
        if (a.is_begin_mark(t)) return b.is_begin_mark(u);
        if (a.is_end_mark(t)) return b.is_end_mark(u);
        const std::size_t begin = std::max(a.span(t).begin, b.span(u).begin);
        return double(std::max(begin, std::min(a.span(t).end, b.span(u).end)) - begin);
      };
      if (!b.mean(common, mean)) continue;
      ++pairs.count;
      pairs.read.insert(pairs.read.end(), a.state(t).begin(), a.state(t).end());
      pairs.wanted.insert(pairs.wanted.end(), mean.begin(), mean.end());
    }
  }
  return pairs;
}

}  // namespace modelgrow::inline v0
