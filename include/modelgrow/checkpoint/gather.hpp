// SPDX-License-Identifier: MIT
// Strided views in row-major order: where a view lies in its storage, and tensors that are not contiguous gathered in a
// temporary file, so that memory stays bounded.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include <modelgrow/checkpoint/torch_tensor.hpp>
#include <modelgrow/detail/posix.hpp>

namespace modelgrow::inline v0::detail {

class Mapping;

/// A view whose first element is at `data`, with steps in bytes.
struct Strided {
  const std::byte* data = nullptr;
  Shape shape = {}, steps = {};
  std::size_t element = 0, bytes = 0;

  /// Calls sink with the elements in row-major order, piece by piece.
  void gather(const std::function<void(std::span<const std::byte>)>& sink) const;
};

/// A tensor within the bytes of its storage. Throws format_error that begins with `what` where it leaves them.
Strided strided(const PickleTensor& tensor, std::span<const std::byte> storage, const std::string& what);

/// Views of few elements can stand for any number of them: throws format_error where tensors of `tensors` bytes are to
/// be copied out of a file of `file` bytes, and are more than four times as large and more than 16 MiB.
void check_copied(const std::filesystem::path& path, std::uint64_t file, std::uint64_t tensors);

/// Tensors one behind the other in a file of the system's temporary folder that has no name there, so that it is gone
/// with its mapping, or with the process.
class Gathered {
 public:
  /// For tensors of the file `path`, of so many bytes. Throws io_error.
  Gathered(std::filesystem::path path, std::uint64_t bytes);
  Gathered(Gathered&&) = delete;
  /// Throws io_error, and format_error as check_copied().
  void add(const Strided& tensor);
  /// The same for a tensor of so many bytes, which `write` hands over piece by piece.
  void add(std::uint64_t bytes,
           const std::function<void(const std::function<void(std::span<const std::byte>)>&)>& write);
  std::shared_ptr<Mapping> map();

 private:
  std::filesystem::path source_;
  std::string name_;
  Descriptor file_;
  std::uint64_t source_bytes_, size_ = 0;
};

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/gather_inl.hpp>
#endif
