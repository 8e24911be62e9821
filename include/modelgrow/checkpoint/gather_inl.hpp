// SPDX-License-Identifier: MIT
// The definitions of gather.hpp.
#pragma once
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include <modelgrow/checkpoint/gather.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/mmap.hpp>

namespace modelgrow::inline v0 {

namespace detail {

MODELGROW_INLINE Strided strided(const PickleTensor& tensor, std::span<const std::byte> storage,
                                 const std::string& what) {
  const auto element = std::size_t(bits(tensor.dtype) / 8);
  const auto leaves = [&] {
    throw format_error(what + " of shape " + to_string(tensor.shape) + ", strides " + to_string(tensor.strides) +
                       " and offset " + std::to_string(tensor.offset) + " leaves its storage '" +
                       tensor.storage->name() + "' of " + std::to_string(storage.size() / element) +
                       " elements: the file is altered; fetch or write it again");
  };
  std::int64_t last = tensor.offset, elements = 1, bytes = 0;
  for (int i = 0; i < tensor.shape.rank(); ++i) {
    std::int64_t step = 0;
    if (__builtin_mul_overflow(elements, tensor.shape[i], &elements)) leaves();
    if (__builtin_mul_overflow(std::max<std::int64_t>(tensor.shape[i] - 1, 0), tensor.strides[i], &step) ||
        __builtin_add_overflow(last, step, &last))
      leaves();
  }
  if (__builtin_mul_overflow(elements, std::int64_t(element), &bytes)) leaves();
  Strided view{.data = storage.data(), .shape = tensor.shape, .steps = tensor.strides, .element = element};
  if (elements == 0) return view;
  if (last >= std::int64_t(storage.size() / element)) leaves();
  view.data += std::size_t(tensor.offset) * element;
  view.bytes = std::size_t(bytes);
  for (int i = 0; i < view.steps.rank(); ++i) {  // those of one element are not taken, and may be of any size
    view.steps[i] = view.shape[i] == 1 ? 0 : view.steps[i] * std::int64_t(element);
  }
  return view;
}

MODELGROW_INLINE void Strided::gather(const std::function<void(std::span<const std::byte>)>& sink) const {
  if (bytes == 0) return;
  constexpr std::size_t piece = std::size_t{1} << 20;
  std::vector<std::byte> buffer;
  buffer.reserve(std::min(bytes, piece));
  std::array<std::int64_t, Shape::max_rank> index{};
  for (const std::byte* at = data;;) {
    if (buffer.size() + element > piece) {
      sink(buffer);
      buffer.clear();
    }
    buffer.insert(buffer.end(), at, at + element);
    int axis = shape.rank();
    while (axis-- > 0) {  // the next element
      auto& i = index[std::size_t(axis)];
      at += steps[axis];
      if (++i < shape[axis]) break;
      at -= steps[axis] * std::exchange(i, 0);
    }
    if (axis < 0) break;
  }
  sink(buffer);
}

MODELGROW_INLINE void check_copied(const std::filesystem::path& path, std::uint64_t file, std::uint64_t tensors) {
  const auto most = std::max<std::uint64_t>(4 * file, std::uint64_t{16} << 20);
  if (tensors > most)
    throw format_error(path.string() + ": its tensors that are not contiguous need more than " + std::to_string(most) +
                       " bytes, which the file cannot mean; load it in torch and save tensors as .contiguous()");
}

MODELGROW_INLINE Gathered::Gathered(std::filesystem::path path, std::uint64_t bytes)
    : source_(std::move(path)), source_bytes_(bytes) {
  std::error_code failed;
  name_ = (std::filesystem::temp_directory_path(failed) / "modelgrow-XXXXXX").string();
  file_ = Descriptor(failed ? -1 : ::mkstemp(name_.data()));
  if (!file_) throw_io("write", name_);
  ::unlink(name_.c_str());
}

MODELGROW_INLINE void Gathered::add(const Strided& tensor) {
  add(tensor.bytes, [&](const auto& sink) { tensor.gather(sink); });
}

MODELGROW_INLINE void Gathered::add(
    std::uint64_t bytes, const std::function<void(const std::function<void(std::span<const std::byte>)>&)>& write) {
  check_copied(source_, source_bytes_, size_ += bytes);
  write([&](std::span<const std::byte> piece) {
    while (!piece.empty()) {
      const auto n = ::write(file_.get(), piece.data(), piece.size());
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) throw_io("write", name_, n < 0 ? errno : ENOSPC);
      piece = piece.subspan(std::size_t(n));
    }
  });
}

MODELGROW_INLINE std::shared_ptr<Mapping> Gathered::map() { return std::make_shared<Mapping>(file_, name_); }

}  // namespace detail

}  // namespace modelgrow::inline v0
