// SPDX-License-Identifier: MIT
// One set of tensors on its way to the disk, window by window: made, checked while it is in memory, written, and noted
// in a journal. Windows are parts of files, whatever tensors they hold, so that all writes are alike, large and
// aligned. Of several ranks each proves whole tensors; a window that has tensors of two is made by both, each of which
// proves its own, and written by one: checksums tell that both have made the same.
#pragma once
#include <deque>
#include <memory>
#include <mutex>

#include <modelgrow/checkpoint/layout.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/direct_file.hpp>
#include <modelgrow/detail/journal.hpp>
#include <modelgrow/grow/checksums.hpp>
#include <modelgrow/grow/proven_tensors.hpp>
#include <modelgrow/grow/write_options.hpp>

namespace modelgrow::inline v0::detail {

/// Bytes of memory that this process shares with nobody.
std::uint64_t private_memory();

class WindowWriter {
 public:
  /// Keeps references. `tensors` are named as the plan names them, `layout` as the files do, both in any order;
  /// `name_of` goes from the first to the second.
  WindowWriter(ProvenTensors& tensors, const CheckpointLayout& layout,
               const std::function<std::string(const std::string&)>& name_of, Ranks& ranks);

  /// Writes the files of the layout, which lie below `root`, with all ranks; windows that the journal has and that are
  /// what it says stay. Throws io_error, and check_error for the first tensor that is not what was promised.
  void write(const std::filesystem::path& root, Journal& journal, const WritePlan& options);

  /// Of the files, by their names within the folder.
  Checksums checksums() const;
  /// The most private memory that was seen.
  std::uint64_t peak_private() const { return peak_private_; }

 private:
  struct File {
    const FileLayout* layout = nullptr;
    std::size_t first = 0;  // tensor
    std::string key;        // in the journal
    std::mutex mutex = {};
    std::unique_ptr<DirectFile> open = {};
    std::uint64_t left = 0;  // windows of this rank
    std::vector<std::uint64_t> sums = {};
  };
  struct Job {
    std::size_t file;
    std::uint64_t window;
    bool written;  // by this rank
  };
  void plan_jobs();
  void join_sums(const std::filesystem::path& root);
  void window(const Job& job, const BlockBuffer& buffer, Journal& journal, const WritePlan& options);
  DirectFile& open(File& file);

  ProvenTensors& tensors_;
  std::deque<File> files_;
  std::vector<std::size_t> outputs_;  // in the order of the files
  Ranks& ranks_;
  std::vector<int> rank_of_;  // in that order
  std::vector<Job> jobs_;
  std::mutex mutex_;  // of what follows
  ProgressReport progress_;
  std::uint64_t window_bytes_ = 0, peak_private_ = 0;
};

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/window_writer_inl.hpp>
#endif
