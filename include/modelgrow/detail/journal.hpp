// SPDX-License-Identifier: MIT
// What of a folder is on the disk already: which windows of which files, each with its checksum. A process that is
// killed leaves the journal behind, and the next one goes on from there. Processes that write together have one each.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <modelgrow/detail/posix.hpp>

namespace modelgrow::inline v0::detail {

/// Lines of text: what the folder is made from, then the windows in the order in which they were written. A line that
/// was cut short counts as not written.
class Journal {
 public:
  /// Its name in the folder; that of another rank than 0 has its number behind it.
  static constexpr const char* file = ".modelgrow-journal";
  /// What a folder is made from: "plan", "source", .. and a text of one line for each.
  using Facts = std::vector<std::pair<std::string, std::string>>;

  /// Begins the journal of a rank in a folder or goes on with the one that is there, and reads those of all ranks.
  /// Throws io_error, and plan_error where one was begun from something else.
  Journal(const std::filesystem::path& folder, const Facts& facts, int rank = 0);

  /// What a file in the folder, or below it, is called here.
  std::string name_of(const std::filesystem::path& path) const {
    return path.lexically_relative(path_.parent_path()).string();
  }
  /// The checksum of a window that was written, by any rank, before this journal was opened.
  std::optional<std::uint64_t> find(const std::string& name, std::uint64_t window) const;
  /// Notes that a window is written. Thread-safe.
  void add(const std::string& name, std::uint64_t window, std::uint64_t checksum);

  /// How many windows the journals of a folder have.
  static std::size_t windows_in(const std::filesystem::path& folder);

 private:
  using Windows = std::map<std::pair<std::string, std::uint64_t>, std::uint64_t>;
  static std::vector<std::filesystem::path> all_in(const std::filesystem::path& folder);
  static void read(std::string_view text, Windows& windows);

  std::filesystem::path path_;
  Descriptor fd_;
  Windows before_;
};

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/detail/journal_inl.hpp>
#endif
