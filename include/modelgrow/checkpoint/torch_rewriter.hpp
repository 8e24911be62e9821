// SPDX-License-Identifier: MIT
// A file of torch written again: other tensors in some places of its tree, and all else as it was.
#pragma once
#include <map>

#include <modelgrow/checkpoint/joined_tensor.hpp>
#include <modelgrow/checkpoint/torch_file.hpp>
#include <modelgrow/checkpoint/torch_writer.hpp>

namespace modelgrow::inline v0 {

class TorchRewriter {
 public:
  /// Throws what TorchFile::open throws.
  explicit TorchRewriter(const std::filesystem::path& path);

  const TorchFile& file() const { return file_; }
  /// What was saved, to be changed.
  PickleValue& root() { return root_; }
  /// A value that stands for a tensor of its own, which is read when the file is written.
  PickleValue add(JoinedTensor tensor);

  /// Tensors are read by pieces. Throws io_error, format_error.
  void write(const std::filesystem::path& path, Existing existing = Existing::replace) const;

 private:
  TorchFile file_;
  PickleValue root_;
  std::int64_t next_ = 0;  // number of a storage that nothing has
  std::map<const PickleStorage*, JoinedTensor> added_;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/torch_rewriter_inl.hpp>
#endif
