// SPDX-License-Identifier: MIT
// The definitions of packed_tensor.hpp.
#pragma once
#include <algorithm>
#include <cstring>
#include <mutex>

#include <modelgrow/checkpoint/packed_tensor.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

namespace detail {

inline constexpr std::int64_t numbers_at_once = std::int64_t{1} << 20;

/// Some blocks of a packed tensor.
struct CodedBlocks {
  std::int64_t first = 0, count = 0;
  std::uint64_t numbers = 0;  // in them
  std::vector<std::byte> codes;
  std::vector<float> scales;
};

/// How blocks lie in a tensor of so many numbers.
struct BlockPlaces {
  std::int64_t all, block;
  const CodeMap& map;

  std::int64_t size(std::int64_t b) const { return std::min(block, all - b * block); }
  std::uint64_t block_bytes() const { return map.bytes(std::uint64_t(block)); }
  /// Blocks without contents.
  CodedBlocks blocks(std::int64_t first, std::int64_t count) const {
    CodedBlocks some{.first = first, .count = count, .codes = {}, .scales = {}};
    if (count > 0) some.numbers = std::uint64_t(std::min(all, (first + count) * block) - first * block);
    some.codes.resize(std::size_t(map.bytes(some.numbers)));
    some.scales.resize(std::size_t(count));
    return some;
  }
  std::span<std::byte> codes(CodedBlocks& some, std::int64_t b) const {
    return std::span(some.codes)
        .subspan(std::size_t(std::uint64_t(b - some.first) * block_bytes()), map.bytes(std::uint64_t(size(b))));
  }
};

inline BlockPlaces places_of(const PackedTensor& t) { return {.all = numel(t.shape), .block = t.block, .map = *t.map}; }

inline CodedBlocks read_blocks(const PackedTensor& t, std::int64_t first, std::int64_t count) {
  const auto places = places_of(t);
  auto some = places.blocks(first, count);
  t.codes.read(std::uint64_t(first) * places.block_bytes(), some.codes);
  t.scales.read(std::uint64_t(first) * sizeof(float), std::as_writable_bytes(std::span(some.scales)));
  return some;
}

/// The numbers of some blocks.
inline std::vector<float> decoded(const BlockPlaces& places, CodedBlocks& some) {
  std::vector<float> numbers(std::size_t(some.numbers));
  for (std::int64_t i = 0; i < some.count; ++i) {
    const auto b = some.first + i;
    places.map.decode(places.codes(some, b), some.scales[std::size_t(i)],
                      std::span(numbers).subspan(std::size_t(i * places.block), std::size_t(places.size(b))));
  }
  return numbers;
}

/// Calls f(first, count) for blocks of so many numbers, up to `last`.
template <class F>
void for_blocks(std::int64_t first, std::int64_t last, std::int64_t block, F&& f) {
  const auto at_once = std::max<std::int64_t>(1, numbers_at_once / block);
  for (; first < last; first += at_once) f(first, std::min(at_once, last - first));
}
/// The same for those that bytes [begin, begin + size) lie in, where a block has so many of them.
template <class F>
void for_bytes(std::uint64_t begin, std::uint64_t size, std::uint64_t bytes, std::int64_t block, F&& f) {
  for_blocks(std::int64_t(begin / bytes), std::int64_t((begin + size + bytes - 1) / bytes), block, f);
}

/// Copies what of `from`, which stands at `at`, belongs to [begin, begin + out.size()).
inline void copy_part(std::span<const std::byte> from, std::uint64_t at, std::uint64_t begin,
                      std::span<std::byte> out) {
  const auto first = std::max(at, begin), last = std::min(at + from.size(), begin + out.size());
  if (first < last) std::memcpy(out.data() + (first - begin), from.data() + (first - at), std::size_t(last - first));
}

/// Packs numbers while they are read.
class Packing {
 public:
  Packing(JoinedTensor numbers, const PackedTensor& like)
      : numbers_(std::move(numbers)), like_(like), all_(numel(numbers_.shape())) {}

  void read_codes(std::uint64_t begin, std::span<std::byte> out) {
    const auto bytes = places().block_bytes();
    for_bytes(begin, out.size(), bytes, like_.block, [&](std::int64_t first, std::int64_t count) {
      copy_part(blocks(first, count, Wanted::codes).codes, std::uint64_t(first) * bytes, begin, out);
    });
  }
  void read_scales(std::uint64_t begin, std::span<std::byte> out) {
    for_bytes(begin, out.size(), sizeof(float), like_.block, [&](std::int64_t first, std::int64_t count) {
      const auto some = blocks(first, count, Wanted::scales);
      copy_part(std::as_bytes(std::span(some.scales)), std::uint64_t(first) * sizeof(float), begin, out);
    });
  }

 private:
  BlockPlaces places() const { return {.all = all_, .block = like_.block, .map = *like_.map}; }

  enum class Wanted { codes, scales };
  CodedBlocks blocks(std::int64_t first, std::int64_t count, Wanted wanted) {
    const auto here = places(), there = places_of(like_);
    auto some = here.blocks(first, count);
    std::vector<float> numbers(std::size_t(some.numbers));
    {
      const std::lock_guard lock(mutex_);
      numbers_.read(std::uint64_t(first * here.block) * sizeof(float), std::as_writable_bytes(std::span(numbers)));
    }
    auto old = read_blocks(like_, first, std::clamp<std::int64_t>(like_.blocks() - first, 0, count));
    const auto old_numbers = decoded(there, old);
    for (std::int64_t i = 0; i < count; ++i) {
      const auto b = first + i, size = here.size(b);
      const auto own = std::span<const float>(numbers).subspan(std::size_t(i * here.block), std::size_t(size));
      const auto codes = here.codes(some, b);
      float& scale = some.scales[std::size_t(i)];
      const bool kept = i < old.count && there.size(b) == size &&
                        std::memcmp(own.data(), old_numbers.data() + i * here.block, own.size_bytes()) == 0;
      if (!kept) {
        scale = here.map.encode(own, wanted == Wanted::codes ? codes : std::span<std::byte>());
        continue;
      }
      std::ranges::copy(there.codes(old, b), codes.begin());
      scale = old.scales[std::size_t(i)];
    }
    return some;
  }

  JoinedTensor numbers_;
  PackedTensor like_;
  std::int64_t all_;
  std::mutex mutex_;
};

}  // namespace detail

MODELGROW_INLINE JoinedTensor PackedTensor::numbers(std::string name) const {
  return {NamedShape{.name = std::move(name), .dtype = DType::f32, .shape = shape},
          [packed = *this](std::uint64_t begin, std::span<std::byte> out) {
            const auto bytes = std::uint64_t(packed.block) * sizeof(float);
            detail::for_bytes(begin, out.size(), bytes, packed.block, [&](std::int64_t first, std::int64_t count) {
              auto some = detail::read_blocks(packed, first, count);
              const auto numbers = detail::decoded(detail::places_of(packed), some);
              detail::copy_part(std::as_bytes(std::span(numbers)), std::uint64_t(first) * bytes, begin, out);
            });
          }};
}

MODELGROW_INLINE PackedTensor packed_like(const JoinedTensor& numbers, const PackedTensor& like) {
  const auto packing = std::make_shared<detail::Packing>(numbers, like);
  const auto& shape = numbers.shape();
  const bool flat = like.map->bits() < 8;
  const auto bytes = std::int64_t(like.map->bytes(std::uint64_t(numel(shape))));
  const auto blocks = (numel(shape) + like.block - 1) / like.block;
  return {.shape = shape,
          .block = like.block,
          .whole_blocks = like.whole_blocks,
          .codes = {NamedShape{
                        .name = like.codes.name(), .dtype = like.codes.dtype(), .shape = flat ? Shape{bytes} : shape},
                    [=](std::uint64_t begin, std::span<std::byte> out) { packing->read_codes(begin, out); }},
          .scales = {NamedShape{.name = like.scales.name(), .dtype = DType::f32, .shape = {blocks}},
                     [=](std::uint64_t begin, std::span<std::byte> out) { packing->read_scales(begin, out); }},
          .map = like.map};
}

MODELGROW_INLINE std::optional<std::int64_t> first_difference(const PackedTensor& a, const PackedTensor& b) {
  const auto places = detail::places_of(a);
  std::optional<std::int64_t> found;
  detail::for_blocks(0, a.blocks(), a.block, [&](std::int64_t first, std::int64_t count) {
    if (found) return;
    auto some = detail::read_blocks(a, first, count), other = detail::read_blocks(b, first, count);
    for (auto block = first; block < first + count && !found; ++block) {
      const auto i = std::size_t(block - first);
      if (!std::ranges::equal(places.codes(some, block), places.codes(other, block)) ||
          std::memcmp(&some.scales[i], &other.scales[i], sizeof(float)) != 0)
        found = block;
    }
  });
  return found;
}

}  // namespace modelgrow::inline v0
