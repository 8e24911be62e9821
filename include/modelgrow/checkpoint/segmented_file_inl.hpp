// SPDX-License-Identifier: MIT
// The definitions of segmented_file.hpp.
#pragma once
#include <algorithm>
#include <cstring>
#include <variant>

#include <modelgrow/checkpoint/segmented_file.hpp>
#include <modelgrow/core/in_order.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/core/parallel.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/detail/crc32.hpp>
#include <modelgrow/detail/direct_file.hpp>
#include <modelgrow/detail/hash64.hpp>

namespace modelgrow::inline v0 {

namespace detail {

MODELGROW_INLINE void SegmentedFile::add(Segment::Content content, std::uint64_t bytes) {
  if (bytes > 0) segments_.push_back({.begin = end_, .bytes = bytes, .content = std::move(content)});
  end_ += bytes;
}

MODELGROW_INLINE void SegmentedFile::add(std::string text) {
  const auto bytes = text.size();
  add(Segment::Content(std::move(text)), bytes);
}

MODELGROW_INLINE void SegmentedFile::add(JoinedTensor tensor) {
  const auto bytes = tensor.bytes();
  begin_.push_back(end_);
  add(Segment::Content(Segment::Tensor{.number = begin_.size() - 1, .values = std::move(tensor)}), bytes);
}

MODELGROW_INLINE void SegmentedFile::add_late(std::uint64_t bytes, Late make) {
  add(Segment::Content(std::move(make)), bytes);
}

/// One file while it is written.
class SegmentedFile::Writing {
 public:
  Writing(const SegmentedFile& file, const std::filesystem::path& path, const WriteWindows& how)
      : file_(file),
        how_(how),
        name_(how.journal ? how.journal->name_of(path) : std::string()),
        disk_(path, DirectFile::Access::write),
        sums_(file.tensors()) {
    done_.bytes = file.bytes();
    done_.window_bytes = std::max<std::uint64_t>(1, how.bytes / disk_block) * disk_block;
    done_.windows.resize((done_.bytes + done_.window_bytes - 1) / done_.window_bytes);
    done_.tensors = file.begin_;
    progress_.total = std::int64_t(done_.windows.size());
    progress_.total_bytes = done_.bytes;
  }

  WrittenFile all() && {
    parallel_tasks(progress_.total, waiting_for_disk, [&] {
      return
          [&, buffer = BlockBuffer(done_.window_bytes)](std::int64_t w) { order_.guard([&] { window(w, buffer); }); };
    });
    disk_.finish(done_.bytes);
    return std::move(done_);
  }

 private:
  /// What of a segment lies in a window.
  struct Piece {
    const Segment& segment;
    std::uint64_t begin;  // in the segment
    std::span<std::byte> bytes;
    std::uint32_t crc = 0;
  };

  std::vector<Piece> pieces(std::uint64_t begin, std::span<std::byte> window) const {
    std::vector<Piece> found;
    const auto& all = file_.segments_;
    auto s = std::ranges::upper_bound(all, begin, {}, &Segment::begin) - 1;
    for (const auto end = begin + window.size(); s != all.end() && s->begin < end; ++s) {
      const auto from = std::max(begin, s->begin), to = std::min(end, s->begin + s->bytes);
      found.push_back(
          {.segment = *s, .begin = from - s->begin, .bytes = window.subspan(std::size_t(from - begin), to - from)});
    }
    return found;
  }

  static void copy(std::string_view text, const Piece& p) {
    std::memcpy(p.bytes.data(), text.data() + p.begin, p.bytes.size());
  }

  void window(std::int64_t w, const BlockBuffer& buffer) {
    const auto begin = std::uint64_t(w) * done_.window_bytes;
    const auto bytes = buffer.first(std::size_t(std::min(done_.window_bytes, done_.bytes - begin)));
    auto parts = pieces(begin, bytes);
    for (auto& p : parts) {
      if (const auto* text = std::get_if<std::string>(&p.segment.content)) copy(*text, p);
      if (const auto* tensor = std::get_if<Segment::Tensor>(&p.segment.content)) {
        tensor->values.read(p.begin, p.bytes);
        p.crc = crc32(0, p.bytes);
      }
    }
    order_.turn(w, [&] {
      for (const auto& p : parts) {
        if (const auto* tensor = std::get_if<Segment::Tensor>(&p.segment.content))
          sums_[tensor->number] = crc32_joined(sums_[tensor->number], p.crc, p.bytes.size());
        if (const auto* late = std::get_if<Late>(&p.segment.content)) copy((*late)(sums_), p);
      }
    });
    const auto sum = hash64(bytes);
    if (!kept(w, sum, bytes.size())) {
      disk_.write(begin, buffer, bytes.size());
      if (how_.journal) how_.journal->add(name_, std::uint64_t(w), sum);
    }
    const std::lock_guard lock(mutex_);
    done_.windows[std::size_t(w)] = sum;
    ++progress_.done;
    progress_.bytes += bytes.size();
    for (const auto& p : parts)
      if (const auto* tensor = std::get_if<Segment::Tensor>(&p.segment.content)) progress_.what = tensor->values.name();
    if (how_.progress) how_.progress(progress_);
  }

  /// Whether an earlier try has written a window with this checksum, and the disk has it.
  bool kept(std::int64_t w, std::uint64_t sum, std::size_t bytes) const {
    if (!how_.journal || how_.journal->find(name_, std::uint64_t(w)) != sum) return false;
    const BlockBuffer there(bytes);
    return disk_.read(std::uint64_t(w) * done_.window_bytes, there, bytes) && hash64(there.first(bytes)) == sum;
  }

  const SegmentedFile& file_;
  const WriteWindows& how_;
  std::string name_;  // in the journal
  DirectFile disk_;
  Sums sums_;
  InOrder order_;
  std::mutex mutex_;  // of what follows
  WrittenFile done_;
  ProgressReport progress_;
};

MODELGROW_INLINE WrittenFile SegmentedFile::write(const std::filesystem::path& path, Existing existing,
                                                  const WriteWindows& how) const {
  if (how.journal) {
    DirectFile::reserve(path, bytes());
    return Writing(*this, path, how).all();
  }
  AtomicFile file(path, existing);
  DirectFile::reserve(file.partial(), bytes());
  WrittenFile done = Writing(*this, file.partial(), how).all();
  file.commit();
  return done;
}

}  // namespace detail

}  // namespace modelgrow::inline v0
