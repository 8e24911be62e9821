// SPDX-License-Identifier: MIT
// One set of tensors on its way to the disk, window by window: made, checked while it is in memory, written, and noted
// in a journal. Windows are parts of files, whatever tensors they hold, so that all writes are alike, large and
// aligned. Of several ranks each takes chunks of whole tensors, which it makes and proves; a window that has tensors of
// two chunks is made for both, and written for the first: checksums tell that the same was made for the second.
#pragma once
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include <modelgrow/checkpoint/layout.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/direct_file.hpp>
#include <modelgrow/detail/journal.hpp>
#include <modelgrow/grow/checksums.hpp>
#include <modelgrow/grow/chunks.hpp>
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
    std::uint64_t left = 0;  // windows that this rank has taken
    std::vector<std::uint64_t> sums = {};
  };
  struct Job {
    std::size_t file = 0;
    std::uint64_t window = 0;
    std::size_t first = 0, end = 0;  // tensors that are proven, in the order of the files
    bool written = true;
  };
  std::optional<Job> next_job();
  void take(const Chunk& chunk);
  void add_jobs(Job job, std::uint64_t from, std::uint64_t to);
  void join_sums(const std::filesystem::path& root);
  void window(const Job& job, const BlockBuffer& buffer, Journal& journal, const WritePlan& options);
  DirectFile& open(File& file);

  ProvenTensors& tensors_;
  std::deque<File> files_;
  std::vector<std::size_t> outputs_;  // in the order of the files
  std::vector<std::uint64_t> bytes_;  // of each, in that order
  Ranks& ranks_;
  std::mutex mutex_;  // of what follows
  std::optional<ChunkClaims> claims_;
  std::vector<Job> jobs_;
  std::size_t begun_ = 0;          // of them
  std::uint64_t taken_bytes_ = 0;  // of their windows
  ProgressReport progress_;
  std::uint64_t window_bytes_ = 0, peak_private_ = 0;
};

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/window_writer_inl.hpp>
#endif
