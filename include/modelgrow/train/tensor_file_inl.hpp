// SPDX-License-Identifier: MIT
// The definitions of tensor_file.hpp.
#pragma once
#include <algorithm>
#include <map>

#include <modelgrow/checkpoint/writer.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/grow/shares.hpp>
#include <modelgrow/train/tensor_file.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Bytes that a file gets: which of which tensor, and who has them.
struct Portion {
  const NamedShape* tensor = nullptr;
  int rank = 0;
  std::uint64_t at = 0, bytes = 0;  // in what the rank has of the tensor
};

/// What one rank writes, in the order of its file.
class FileStream {
 public:
  /// A tensor that rank `writer` writes.
  void add(const SpreadTensor& tensor, std::uint64_t bytes, int writer) {
    if (tensor.parts.empty()) portions_.push_back({.tensor = &tensor.about, .rank = writer, .bytes = bytes});
    for (const auto& p : tensor.parts)
      portions_.push_back({.tensor = &tensor.about, .rank = p.rank, .bytes = p.end - p.begin});
  }
  bool ended() const { return next_ == portions_.size(); }
  /// The next so many bytes, or all that are left.
  std::vector<Portion> take(std::uint64_t bytes) {
    std::vector<Portion> window;
    while (bytes > 0 && !ended()) {
      Portion& left = portions_[next_];
      window.push_back(left);
      window.back().bytes = std::min(bytes, left.bytes);
      bytes -= window.back().bytes;
      left.at += window.back().bytes;
      left.bytes -= window.back().bytes;
      if (left.bytes == 0) ++next_;
    }
    return window;
  }

 private:
  std::vector<Portion> portions_;
  std::size_t next_ = 0;
};

/// Where each tensor goes, and in which order.
struct SharedFiles {
  CheckpointLayout layout;
  std::vector<std::optional<std::size_t>> file_of;  // by rank; a rank without tensors has none
  std::vector<FileStream> streams;                  // by rank
};
inline SharedFiles shared_files(const std::filesystem::path& path, const std::vector<SpreadTensor>& tensors,
                                Metadata metadata, int ranks) {
  std::vector<std::uint64_t> bytes;
  std::map<std::string_view, std::size_t> place;
  for (const auto& t : tensors) {
    place.emplace(t.about.name, bytes.size());
    bytes.push_back(declared_bytes(t.about, path));
  }
  const auto writers = ranks_of(bytes, ranks);
  std::vector<std::vector<NamedShape>> files;
  SharedFiles shared;
  shared.file_of.resize(std::size_t(ranks));
  shared.streams.resize(std::size_t(ranks));
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    auto& file = shared.file_of[std::size_t(writers[t])];
    if (!file) {
      file = files.size();
      files.emplace_back();
    }
    files[*file].push_back(tensors[t].about);
  }
  if (files.empty()) {  // one without tensors
    shared.file_of[0] = 0;
    files.emplace_back();
  }
  shared.layout = layout_of_files(path, std::move(files), std::move(metadata));
  for (int r = 0; r < ranks; ++r)
    if (const auto file = shared.file_of[std::size_t(r)])
      for (const auto& t : shared.layout.files[*file].tensors) {
        const std::size_t i = place.at(t.name);
        shared.streams[std::size_t(r)].add(tensors[i], bytes[i], r);
      }
  return shared;
}

}  // namespace detail

MODELGROW_INLINE void TensorFile::save(const std::filesystem::path& path, Metadata metadata,
                                       const Saving& saving) const {
  Ranks alone;
  Ranks& ranks = saving.ranks ? *saving.ranks : alone;
  if (!saving.mark.empty()) metadata.emplace(Checkpoint::save_mark, saving.mark);
  const auto tensors = spread_tensors(path, held_, ranks);
  auto [layout, file_of, streams] = detail::shared_files(path, tensors, std::move(metadata), ranks.size());
  std::map<std::string_view, const HeldTensor*> held;
  for (const auto& h : held_) held.emplace(h.about.name, &h);
  const std::size_t here = std::size_t(ranks.rank());
  std::optional<SafetensorsWriter> writer;
  if (file_of[here]) writer.emplace(layout.files[*file_of[here]], Existing::replace);

  const std::uint64_t window_bytes = (std::uint64_t{1} << 30) / std::uint64_t(std::max(ranks.size(), 64));
  std::string buffer;
  const auto read = [&](const detail::Portion& p) {
    buffer.resize(p.bytes);
    held.at(p.tensor->name)->read(p.at, std::as_writable_bytes(std::span(buffer)));
    return std::string_view(buffer);
  };
  while (std::ranges::any_of(streams, [](const auto& s) { return !s.ended(); })) {
    std::vector<detail::Portion> own;
    std::vector<std::string> to(streams.size());
    bool others = false;  // whether any rank writes what another has
    for (std::size_t w = 0; w < streams.size(); ++w) {
      auto window = streams[w].take(window_bytes);
      for (const auto& p : window) {
        others = others || std::size_t(p.rank) != w;
        if (w != here && std::size_t(p.rank) == here) to[w] += read(p);
      }
      if (w == here) own = std::move(window);
    }
    const auto from = others ? ranks.swap(std::move(to)) : std::vector<std::string>();
    std::vector<std::size_t> at(from.size(), 0);
    for (const auto& p : own) {
      const auto r = std::size_t(p.rank);
      const auto bytes = r == here ? read(p) : std::string_view(from[r]).substr(at[r], p.bytes);
      if (r != here) at[r] += p.bytes;
      writer->write(p.tensor->name, std::as_bytes(std::span(bytes)));
    }
  }
  if (writer) writer->commit();
  if (ranks.first() && !layout.index_text.empty()) detail::write_file(layout.path, layout.index_text);
}

}  // namespace modelgrow::inline v0
