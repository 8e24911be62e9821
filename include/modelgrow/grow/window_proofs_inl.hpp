// SPDX-License-Identifier: MIT
// The definitions of window_proofs.hpp.
#pragma once
#include <algorithm>

#include <modelgrow/detail/mmap.hpp>
#include <modelgrow/grow/window_proofs.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// A proof that needs more of a tensor at once waits for the file.
inline constexpr std::uint64_t most_unit = std::uint64_t{32} << 20;

MODELGROW_INLINE std::vector<TensorPiece> pieces_of(const std::vector<std::uint64_t>& begin, std::size_t first,
                                                    std::uint64_t at, std::span<std::byte> bytes) {
  const std::uint64_t end = at + bytes.size();
  std::vector<TensorPiece> all;
  auto i = std::size_t(std::upper_bound(begin.begin(), begin.end(), at) - begin.begin());
  for (i -= i > 0; i + 1 < begin.size() && begin[i] < end; ++i) {
    const std::uint64_t from = std::max(at, begin[i]), to = std::min(end, begin[i + 1]);
    if (from < to)
      all.push_back(
          TensorPiece{.tensor = first + i, .begin = from - begin[i], .bytes = bytes.subspan(from - at, to - from)});
  }
  return all;
}

MODELGROW_INLINE std::size_t WindowProofs::add(const NamedShape& tensor) {
  auto& t = tensors_.emplace_back();
  t.target = tensor;
  t.left = byte_size(tensor.dtype, tensor.shape).value();
  return tensors_.size() - 1;
}

MODELGROW_INLINE void WindowProofs::share() {
  for (auto& t : tensors_) t.own = false;
}

MODELGROW_INLINE void WindowProofs::take(std::size_t tensor) { tensors_[tensor].own = true; }

MODELGROW_INLINE void WindowProofs::prepare(std::size_t number) {
  Tensor& t = tensors_[number];
  const std::lock_guard lock(t.mutex);
  if (std::exchange(t.prepared, true)) return;
  t.proof = promises_.proof(t.target);
  t.whole = t.proof && t.proof->unit() > most_unit;
  if (t.proof && !t.whole) t.feed = std::make_unique<ProofFeed>(*t.proof);
}

MODELGROW_INLINE std::uint64_t WindowProofs::unit(std::size_t tensor) const {
  const Tensor& t = tensors_[tensor];
  return t.feed ? t.proof->unit() : 8;
}

MODELGROW_INLINE const TensorView* WindowProofs::old(std::size_t tensor) const {
  const Tensor& t = tensors_[tensor];
  return t.feed ? t.proof->old() : nullptr;
}

MODELGROW_INLINE void WindowProofs::piece(std::size_t tensor, std::uint64_t begin, std::span<const std::byte> bytes) {
  if (const auto& feed = tensors_[tensor].feed) feed->piece(begin, bytes);
}

MODELGROW_INLINE bool WindowProofs::done(std::size_t tensor, std::uint64_t bytes) {
  Tensor& t = tensors_[tensor];
  {
    const std::lock_guard lock(t.mutex);
    t.left -= bytes;
    if (t.left > 0) return false;
  }
  finish(t);
  return true;
}

MODELGROW_INLINE void WindowProofs::empty(std::size_t tensor) {
  prepare(tensor);
  finish(tensors_[tensor]);
}

MODELGROW_INLINE void WindowProofs::finish(Tensor& t) {
  if (!t.proof || t.whole) return;
  auto verdict = t.proof->verdict();
  t.feed.reset();
  t.proof.reset();
  const std::lock_guard lock(mutex_);
  verdicts_.push_back(std::move(verdict));
}

MODELGROW_INLINE std::vector<Verdict> WindowProofs::verdicts(const TensorSet& grown) {
  std::vector<std::pair<Tensor*, const TensorView*>> whole;
  for (auto& t : tensors_) {
    if (!t.own) continue;
    if (t.left > 0)
      throw check_error(grown.where() + ": " + std::to_string(t.left) + " bytes of tensor '" + t.target.name +
                        "' were not written");
    if (t.whole) whole.emplace_back(&t, grown.find(t.target.name));
  }
  const auto ask = [&](std::size_t i) {  // so that the disk works while the one before is proven
    if (i >= whole.size() || !whole[i].second) return;
    ask_for(whole[i].second->span());
    if (const auto* old = whole[i].first->proof->old()) ask_for(old->span());
  };
  ask(0);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const auto& [t, view] = whole[i];
    ask(i + 1);
    if (!view) throw check_error(grown.where() + ": tensor '" + t->target.name + "' is missing");
    prove(*t->proof, view->span());
    verdicts_.push_back(t->proof->verdict());
    grown.release(view->span());
    t->proof.reset();
  }
  return std::exchange(verdicts_, {});
}

}  // namespace detail

}  // namespace modelgrow::inline v0
