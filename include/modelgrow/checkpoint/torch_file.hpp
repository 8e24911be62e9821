// SPDX-License-Identifier: MIT
// Reading what torch.save writes, mapped and without running anything: https://github.com/pytorch/pytorch
// (torch/serialization.py): a zip archive of data.pkl and a record for each storage, or, before torch 1.6, five pickles
// and the storages behind them. Plain pickles without tensors are read, too.
#pragma once
#include <filesystem>
#include <unordered_map>

#include <modelgrow/checkpoint/mapped_tensors.hpp>
#include <modelgrow/checkpoint/pickle.hpp>
#include <modelgrow/checkpoint/torch_tensor.hpp>

namespace modelgrow::inline v0 {

/// Whether a file is to be read as one of torch: .pt .pth .bin .ckpt .pkl in any case, or by its first bytes under any
/// ending but .safetensors.
bool is_torch_file(const std::filesystem::path& path);

/// A mapped file of torch. Copies share the mapping; views live as long as any copy.
class TorchFile {
 public:
  using Named = std::pair<std::string, PickleTensor>;

  /// Maps the file and reads its pickle. Throws io_error, or format_error that says what is wrong where.
  static TorchFile open(const std::filesystem::path& path);
  /// The same for one of several archives in a file (.distcp).
  static TorchFile open(const std::filesystem::path& path, std::shared_ptr<detail::Mapping> mapping,
                        std::uint64_t offset, std::uint64_t size);

  const std::filesystem::path& path() const { return content_->path; }
  /// What was saved.
  const PickleValue& root() const { return content_->pickle.value; }
  /// The storages of its tensors, in the order of their first use.
  const std::vector<std::shared_ptr<PickleStorage>>& storages() const { return content_->pickle.storages; }
  /// The numbers of a storage.
  std::span<const std::byte> bytes(const PickleStorage& storage) const;

  /// Tensors under names of the caller's, as views of the mapped file; those that are not contiguous are gathered into
  /// a temporary file that no one else sees. Throws format_error for a view that leaves its storage.
  MappedTensors tensors(const std::vector<Named>& named) const;
  /// One tensor, its numbers copied in row-major order. Throws format_error as tensors(), and where a view of few
  /// numbers would be many times as large as the file.
  std::vector<std::byte> copy(const PickleTensor& tensor) const;

 private:
  using Storages = std::unordered_map<std::string, std::span<const std::byte>>;
  struct Content {
    std::filesystem::path path;
    std::shared_ptr<detail::Mapping> mapping;
    Pickle pickle;
    Storages storages;
  };
  explicit TorchFile(Content content) : content_(std::make_shared<const Content>(std::move(content))) {}
  std::shared_ptr<const Content> content_;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/torch_file_inl.hpp>
#endif
