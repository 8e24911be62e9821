// SPDX-License-Identifier: MIT
// Grown files on their way back from the disk, window by window, read once: compared with their checksums, and proven.
#pragma once
#include <deque>
#include <string>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/direct_file.hpp>
#include <modelgrow/grow/checkpoint_set.hpp>
#include <modelgrow/grow/checksums.hpp>
#include <modelgrow/grow/window_proofs.hpp>

namespace modelgrow::inline v0::detail {

class WindowReader {
 public:
  /// Keeps references. `sums` may know some of the files, by their paths below `root`. Throws check_error where the
  /// tensors are not those that were promised.
  WindowReader(const Promises& promises, const TensorSet& old, const Checkpoint& grown, const Checksums& sums,
               const std::filesystem::path& root);

  /// Reads all files, on all cores. Throws io_error, and check_error for the first difference.
  FileCheck check();

  /// The names in the checksums of what was read.
  const std::vector<std::string>& known() const { return known_; }

 private:
  struct File {
    std::string name;  // in the checksums; empty: they do not know it
    std::filesystem::path path;
    std::size_t first;                 // tensor
    std::vector<std::uint64_t> begin;  // of each tensor in the file, and its end
  };
  struct Window {
    const File* file;
    std::uint64_t begin, end;
  };
  void read(const Window& window, const BlockBuffer& buffer);
  void piece(const TensorPiece& piece);

  const TensorSet& old_;
  const Checkpoint& grown_;
  const Checksums& sums_;
  WindowProofs proofs_;
  std::deque<File> files_;
  std::vector<std::string> known_;
};

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/window_reader_inl.hpp>
#endif
