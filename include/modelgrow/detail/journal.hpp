// SPDX-License-Identifier: MIT
// What of a folder is on the disk already: which windows of which files, each with its checksum. A process that is
// killed leaves the journal behind, and the next one goes on from there.
#pragma once
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/detail/posix.hpp>

namespace modelgrow::inline v0::detail {

/// Lines of text: what the folder is made from, then the windows in the order in which they were written. A line that
/// was cut short counts as not written.
class Journal {
 public:
  /// Its name in the folder.
  static constexpr const char* file = ".modelgrow-journal";
  /// What a folder is made from: "plan", "source", .. and a text of one line for each.
  using Facts = std::vector<std::pair<std::string, std::string>>;

  /// Begins a journal in a folder or goes on with the one that is there. Throws io_error, and plan_error where that one
  /// was begun from something else.
  Journal(const std::filesystem::path& folder, const Facts& facts);

  /// The checksum of a window that was written before this journal was opened.
  std::optional<std::uint64_t> find(const std::string& name, std::uint64_t window) const;
  /// Notes that a window is written. Thread-safe.
  void add(const std::string& name, std::uint64_t window, std::uint64_t checksum);
  /// Windows that were written, now or before.
  std::size_t size() const;

 private:
  void read(std::string_view line);

  std::filesystem::path path_;
  Descriptor fd_;
  std::map<std::pair<std::string, std::uint64_t>, std::uint64_t> before_;
  mutable std::mutex mutex_;
  std::size_t added_ = 0;
};

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/detail/journal_inl.hpp>
#endif
