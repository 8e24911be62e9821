// SPDX-License-Identifier: MIT
// A file as a row of texts and tensors, known before a byte is written: what lies in an archive of torch. It is written
// window by window on all cores, past the page cache.
#pragma once
#include <functional>
#include <string>
#include <variant>
#include <vector>

#include <modelgrow/checkpoint/joined_tensor.hpp>
#include <modelgrow/core/progress.hpp>
#include <modelgrow/detail/journal.hpp>
#include <modelgrow/detail/partial.hpp>

namespace modelgrow::inline v0 {

/// How such a file is written.
struct WriteWindows {
  std::uint64_t bytes = std::uint64_t{8} << 20;  // are made and written at once; a multiple of 4096
  Progress progress = {};                        // may throw to stop
  /// Of a folder that is all or nothing, and that the file lies in: it is written in place, and windows that an earlier
  /// try has left there, with the bytes that are made again, stay.
  detail::Journal* journal = nullptr;
};

/// What was written: XXH64 of each window, and where the tensors begin, in the order in which they were named.
struct WrittenFile {
  std::uint64_t bytes = 0, window_bytes = 0;
  std::vector<std::uint64_t> windows = {}, tensors = {};
};

namespace detail {

class SegmentedFile {
 public:
  /// CRC-32 of the tensors, in their order.
  using Sums = std::vector<std::uint32_t>;

  std::uint64_t bytes() const { return end_; }
  std::size_t tensors() const { return begin_.size(); }

  /// Made once the tensors before it are; the same text whenever it is called.
  using Late = std::function<std::string(const Sums&)>;

  void add(std::string text);
  /// Read by pieces, from any thread.
  void add(JoinedTensor tensor);
  /// A text of so many bytes.
  void add_late(std::uint64_t bytes, Late make);

  /// All or nothing, unless a journal's folder is. Throws io_error, and what tensors throw that are read.
  WrittenFile write(const std::filesystem::path& path, Existing existing, const WriteWindows& how) const;

 private:
  struct Segment {
    struct Tensor {
      std::size_t number;
      JoinedTensor values;
    };
    using Content = std::variant<std::string, Tensor, Late>;
    std::uint64_t begin = 0, bytes = 0;
    Content content = {};
  };
  void add(Segment::Content content, std::uint64_t bytes);
  class Writing;

  std::vector<Segment> segments_;     // none of them empty
  std::vector<std::uint64_t> begin_;  // of the tensors
  std::uint64_t end_ = 0;
};

}  // namespace detail
}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/segmented_file_inl.hpp>
#endif
