// SPDX-License-Identifier: MIT
// A directory that appears under its name complete or not at all, and that can be gone on with when its making was cut
// short: until then it is "OUT.partial" beside OUT, locked while somebody works on it.
#pragma once
#include <modelgrow/detail/atomic_directory.hpp>
#include <modelgrow/detail/journal.hpp>

namespace modelgrow::inline v0 {

/// What to do about an unfinished output of the same kind: go on with it, or begin anew.
enum class Unfinished { go_on, begin_anew };

/// Where a directory is until it is complete: "OUT.partial".
inline std::filesystem::path unfinished_path(const std::filesystem::path& target) {
  return detail::folder_named(target).string() + ".partial";
}

namespace detail {

/// Fill path(), then commit(). Destroyed before that, a new one leaves nothing unless keep() was said, and one that was
/// gone on with stays unless discard() was.
/// Every operation throws io_error with the path.
class ResumableDirectory {
 public:
  ResumableDirectory(std::filesystem::path target, Existing existing, Unfinished unfinished)
      : target_(folder_named(std::move(target))), existing_(existing) {
    std::error_code code;
    check_target(target_, existing_);
    if (std::filesystem::exists(target_, code) && !std::filesystem::is_directory(target_, code))
      throw_io("write a directory to", target_, ENOTDIR);
    remove_leftovers(target_);
    const auto path = unfinished_path(target_);
    do {
      if (::mkdir(path.c_str(), 0777) != 0 && errno != EEXIST) throw_io("write", path);
      lock_ = open_file(path, O_RDONLY | O_DIRECTORY);
      if (!lock_) throw_io("write", path);
      if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
        throw io_error("cannot write '" + target_.string() + "': another process is writing it, into '" +
                       path.string() + "'; wait for it, or write elsewhere");
    } while (!lock_partial(lock_.get(), path));  // until it is the one that has the name
    path_ = path;
    if (!std::filesystem::is_empty(path_)) take(unfinished);
    kept_ = resumed_;
  }
  ResumableDirectory(ResumableDirectory&&) = delete;
  ~ResumableDirectory() {
    std::error_code ignored;
    if (!kept_) std::filesystem::remove_all(path_, ignored);
  }

  /// Where to write the files until commit().
  const std::filesystem::path& path() const { return path_; }
  /// Whether files of an earlier try are there.
  bool resumed() const { return resumed_; }
  /// Room on the disk that files of an earlier try have.
  std::uint64_t bytes_taken() const {
    std::uint64_t n = 0;
    struct stat info {};
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path_))
      if (entry.is_regular_file() && ::stat(entry.path().c_str(), &info) == 0) n += std::uint64_t(info.st_blocks) * 512;
    return n;
  }

  /// What was written stays for the next try.
  void keep() { kept_ = true; }
  /// What was written is of no use.
  void discard() { kept_ = false; }

  void commit() {
    for (const auto& entry : std::filesystem::directory_iterator(path_))  // journals, and where ranks met
      if (entry.path().filename().string().starts_with(own_files)) std::filesystem::remove(entry.path());
    std::filesystem::path hidden;
    do hidden = partial_name(target_);
    while (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, hidden.c_str(), RENAME_NOREPLACE) != 0 && errno == EEXIST);
    if (std::error_code gone; std::filesystem::exists(path_, gone))  // a file system without RENAME_NOREPLACE
      std::filesystem::rename(path_, hidden);
    path_ = hidden;
    publish_directory(path_, target_, existing_);
    kept_ = path_.empty();
  }

 private:
  static constexpr const char* own_files = ".modelgrow-";
  void take(Unfinished unfinished) {
    if (!std::filesystem::exists(path_ / Journal::file))
      throw io_error("cannot write '" + target_.string() + "': '" + path_.string() +
                     "' is in the way, and holds no unfinished growth; move it, or write elsewhere");
    if (unfinished == Unfinished::begin_anew)
      for (const auto& entry : std::filesystem::directory_iterator(path_)) std::filesystem::remove_all(entry.path());
    resumed_ = unfinished == Unfinished::go_on;
  }

  std::filesystem::path target_, path_;
  Existing existing_;
  Descriptor lock_;
  bool resumed_ = false, kept_ = true;
};

}  // namespace detail
}  // namespace modelgrow::inline v0
