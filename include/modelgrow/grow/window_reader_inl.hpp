// SPDX-License-Identifier: MIT
// The definitions of window_reader.hpp.
#pragma once
#include <algorithm>

#include <modelgrow/core/parallel.hpp>
#include <modelgrow/grow/window_reader.hpp>

namespace modelgrow::inline v0 {

namespace detail {

MODELGROW_INLINE WindowReader::WindowReader(const Promises& promises, const TensorSet& old, const Checkpoint& grown,
                                            const Checksums& sums, const std::filesystem::path& root)
    : old_(old), grown_(grown), sums_(sums), proofs_(promises) {
  std::vector<std::string> names;
  for (const auto& f : grown.files()) {
    File& file = files_.emplace_back(File{.name = {}, .path = f.path(), .first = names.size(), .begin = {}});
    const auto name = f.path().lexically_relative(root).generic_string();
    if (sums.files.contains(name)) known_.push_back(file.name = name);
    const auto begin = grown.tensors().begin() + std::ptrdiff_t(names.size());
    std::vector<TensorView> tensors(begin, begin + std::ptrdiff_t(f.tensors().size()));  // without the names' prefix
    std::ranges::sort(tensors, {}, [](const TensorView& t) { return t.data; });
    const std::uint64_t size = std::filesystem::file_size(f.path());
    const std::byte* end = tensors.empty() ? nullptr : tensors.back().data + tensors.back().bytes;  // ends the file
    for (const auto& t : tensors) {
      file.begin.push_back(size - std::uint64_t(end - t.data));
      proofs_.add(NamedShape{.name = t.name, .dtype = t.dtype, .shape = t.shape});
      names.push_back(t.name);
    }
    file.begin.push_back(size);
  }
  promises.check_names(names);
}

MODELGROW_INLINE FileCheck WindowReader::check() {
  constexpr std::uint64_t usual = std::uint64_t{8} << 20;
  const std::uint64_t bytes = sums_.window_bytes > 0 ? sums_.window_bytes : usual;
  std::vector<Window> windows;
  for (const auto& file : files_) {
    for (std::size_t i = 0; i + 1 < file.begin.size(); ++i)
      if (file.begin[i] == file.begin[i + 1]) proofs_.empty(file.first + i);
    for (std::uint64_t at = 0; at < file.begin.back(); at += bytes)
      windows.push_back(Window{.file = &file, .begin = at, .end = std::min(at + bytes, file.begin.back())});
  }
  parallel_tasks(std::int64_t(windows.size()), waiting_for_disk, [&] {
    return [&, buffer = BlockBuffer(bytes)](std::int64_t i) { read(windows[std::size_t(i)], buffer); };
  });
  return proofs_.check(set_of(grown_));
}

MODELGROW_INLINE void WindowReader::read(const Window& w, const BlockBuffer& buffer) {
  const auto bytes = buffer.first(std::size_t(w.end - w.begin));
  if (!DirectFile(w.file->path, DirectFile::Access::read).read(w.begin, buffer, bytes.size()))
    throw io_error("cannot read '" + w.file->path.string() + "': it was cut while it was read");
  if (!w.file->name.empty()) check_window(sums_, w.file->name, w.file->path, w.begin, bytes);
  const auto parts = pieces_of(w.file->begin, w.file->first, w.begin, bytes);
  for (const auto& p : parts) piece(p);
  for (const auto& p : parts) proofs_.done(p.tensor, p.bytes.size());
}

MODELGROW_INLINE void WindowReader::piece(const TensorPiece& p) {
  proofs_.prepare(p.tensor);
  if (const auto* from = proofs_.old(p.tensor)) old_.prepare(from->span());
  proofs_.piece(p.tensor, p.begin, p.bytes);
}

}  // namespace detail

}  // namespace modelgrow::inline v0
