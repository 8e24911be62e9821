// SPDX-License-Identifier: MIT
// The definitions of proven_tensors.hpp.
#pragma once
#include <algorithm>
#include <map>

#include <modelgrow/checkpoint/pickle_text.hpp>
#include <modelgrow/detail/mmap.hpp>
#include <modelgrow/grow/proven_tensors.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// What of a tensor is made and checked at once, so that it is still near when it is checked.
inline constexpr std::uint64_t near_bytes = std::uint64_t{1} << 20;

MODELGROW_INLINE ProvenTensors::ProvenTensors(const Plan& plan, Contents contents, TensorSet old,
                                              const std::vector<Output>& outputs, std::string where)
    : plan_(plan), old_(std::move(old)), promises_(plan, contents, old_, std::move(where)), proofs_(promises_) {
  std::vector<std::string> names;
  for (const auto& o : outputs) {
    names.push_back(o.target.name);
    tensors_.emplace_back().output = &o;
    proofs_.add(o.target);
  }
  promises_.check_names(names);
}

MODELGROW_INLINE JoinedTensor ProvenTensors::tensor(std::size_t i) {
  const auto& target = output(i).target;
  if (numel(target.shape) == 0) empty(i);
  return {target, [this, i](std::uint64_t begin, std::span<std::byte> out) { make(i, begin, out); }};
}

MODELGROW_INLINE const Maker& ProvenTensors::maker(Making& t) const {
  const std::lock_guard lock(t.mutex);
  if (!t.maker) t.maker = std::make_unique<Maker>(plan_, *t.output);
  return *t.maker;
}

/// Reads what bytes are made from; returns what that is of the source.
MODELGROW_INLINE std::span<const std::byte> ProvenTensors::prepare(const Making& t, const Maker& maker,
                                                                   std::uint64_t begin, std::uint64_t end) const {
  const auto source = maker.source(begin, end);
  old_.prepare(source);
  if (t.output->donor && t.output->source && !source.empty())
    old_.prepare(t.output->donor->span().subspan(std::size_t(source.data() - t.output->source->data), source.size()));
  return source;
}

MODELGROW_INLINE void ProvenTensors::only_make(std::size_t i, std::uint64_t begin, std::span<std::byte> bytes) {
  const Maker own(plan_, output(i));  // that of the tensor goes with its last byte
  prepare(tensors_[i], own, begin, begin + bytes.size());
  own.make(begin, bytes);
}

MODELGROW_INLINE void ProvenTensors::make(std::size_t i, std::uint64_t begin, std::span<std::byte> bytes, bool there) {
  Making& t = tensors_[i];
  proofs_.prepare(i);
  const Maker& maker_of = maker(t);
  const auto source = prepare(t, maker_of, begin, begin + bytes.size());
  const std::uint64_t unit = proofs_.unit(i), step = std::max<std::uint64_t>(1, near_bytes / unit) * unit;
  for (std::uint64_t at = begin, end = begin + bytes.size(), next; at < end; at = next) {
    next = std::min(end, at / step * step + step);
    const auto part = bytes.subspan(at - begin, next - at);
    if (!there) maker_of.make(at, part);
    proofs_.piece(i, at, part);
  }
  if (source.size() <= 4 * bytes.size()) old_.release(source);
  if (!proofs_.done(i, bytes.size())) return;
  t.maker.reset();  // its maps are large
  if (t.output->source) old_.release(t.output->source->span());
}

MODELGROW_INLINE void check_place(const JoinedTensor& written, const NamedShape& promised, std::uint64_t place,
                                  const std::string& where) {
  const auto fail = [&](const std::string& what) {
    throw check_error(where + ": tensor '" + promised.name + "' " + what);
  };
  if (written.dtype() != promised.dtype || written.shape() != promised.shape)
    fail("was written as " + std::string(name(written.dtype())) + " " + to_string(written.shape()) + "; " +
         std::string(name(promised.dtype)) + " " + to_string(promised.shape) + " was promised");
  if (written.bytes() == 0) return;
  const auto piece = written.piece();
  const std::byte* file = piece.empty() ? nullptr : written.parts()[0].file->mappings()[0]->bytes().data();
  if (!file || std::uint64_t(piece.data() - file) != place)
    fail("is not read from byte " + std::to_string(place) + ", where it was written");
}

MODELGROW_INLINE void check_places(const StoredOptimizer& written, const StoredOptimizer& promised,
                                   std::span<const std::uint64_t> places, const std::string& where) {
  std::map<std::pair<std::string_view, std::string_view>, const StoredOptimizer::Entry*> entries;
  for (const auto& p : written.parameters)
    for (const auto& e : p.entries) entries.emplace(std::pair(std::string_view(p.name), std::string_view(e.name)), &e);
  std::size_t next = 0;
  for (const auto& p : promised.parameters)
    for (const auto& e : p.entries) {
      const auto it = entries.find({p.name, e.name});
      const auto fail = [&](const std::string& what) {
        throw check_error(where + ": entry '" + e.name + "' of parameter '" + p.name + "' " + what);
      };
      if (it == entries.end()) fail("was not written");
      const auto& found = *it->second;
      if (text_of(found.number) != text_of(e.number))
        fail("was written as " + text_of(found.number) + "; " + text_of(e.number) + " was promised");
      NamedShape about = e.tensor.about();
      about.name = e.name + "' of parameter '" + p.name;
      if (e.number.is_none()) check_place(found.tensor, about, places[next++], where);
      entries.erase(it);
    }
  if (!entries.empty())
    throw check_error(where + ": entry '" + std::string(entries.begin()->first.second) + "' of parameter '" +
                      std::string(entries.begin()->first.first) + "' was written, and none was promised");
}

}  // namespace detail

}  // namespace modelgrow::inline v0
