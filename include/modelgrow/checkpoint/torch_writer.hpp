// SPDX-License-Identifier: MIT
// Writing files that torch.load(weights_only=True) reads: a tree of values, and the numbers of its storages one behind
// the other.
#pragma once
#include <modelgrow/checkpoint/pickle_writer.hpp>
#include <modelgrow/checkpoint/torch_tensor.hpp>
#include <modelgrow/checkpoint/zip_writer.hpp>
#include <modelgrow/core/names.hpp>

namespace modelgrow::inline v0 {

/// A state dictionary of contiguous tensors on the CPU, each with a storage of its own ("0", "1", ..), in this order.
/// Throws format_error for element types that torch does not have.
PickleValue torch_state_dict(const std::vector<NamedShape>& tensors);

/// Streams one file; visible under its name after commit(), never in part. Throws io_error, and format_error for what
/// does not fit what was declared.
class TorchWriter {
 public:
  /// `root` is what torch.load returns.
  TorchWriter(const std::filesystem::path& path, const PickleValue& root, Existing existing = Existing::replace);

  /// The storages, in the order in which they are to be written.
  const std::vector<std::shared_ptr<PickleStorage>>& storages() const { return pickle_.storages; }
  const std::filesystem::path& path() const { return zip_.path(); }

  /// Appends bytes to the current storage, the one after it when that is full.
  void write(std::span<const std::byte> bytes);

  /// Checks that every byte was written and flushes to the disk; the file is not visible yet.
  void finish();
  void commit();

 private:
  void next();
  std::string folder_;
  WrittenPickle pickle_;
  detail::ZipWriter zip_;
  std::size_t current_ = 0;  // storages begun
  std::uint64_t left_ = 0;
  bool finished_ = false;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/torch_writer_inl.hpp>
#endif
