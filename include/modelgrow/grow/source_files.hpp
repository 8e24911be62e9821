// SPDX-License-Identifier: MIT
// The files that a growth reads, and whether they are still what they were.
#pragma once
#include <set>
#include <string>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/detail/posix.hpp>

namespace modelgrow::inline v0::detail {

/// Sizes and times of files, taken when they are added.
class SourceFiles {
 public:
  void add(const Checkpoint& c) {
    for (const auto& f : c.files()) files_.insert({f.path(), stamp(f.path())});
    keys_ += c.state_dict() + "\n";
  }
  /// The names, sizes and times, and the keys of torch files that were opened, as a number in text.
  std::string state() const {
    std::string all = keys_;
    for (const auto& [path, stamp] : files_) all += std::filesystem::absolute(path).string() + " " + stamp + "\n";
    return std::to_string(hash_name(all));
  }
  /// Throws check_error that names a file that was changed since.
  void check_unchanged() const {
    for (const auto& [path, before] : files_)
      if (stamp(path) != before)
        throw check_error("'" + path.string() +
                          "' was changed while it was read; grow it again when nobody writes there");
  }

 private:
  static std::string stamp(const std::filesystem::path& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return "gone";
    return std::to_string(info.st_ino) + " " + std::to_string(info.st_size) + " " +
           std::to_string(info.st_mtim.tv_sec) + "." + std::to_string(info.st_mtim.tv_nsec);
  }
  std::set<std::pair<std::filesystem::path, std::string>> files_;
  std::string keys_;
};

}  // namespace modelgrow::inline v0::detail
