// SPDX-License-Identifier: MIT
// A directory that appears under its name complete or not at all.
#pragma once
#include <modelgrow/detail/partial.hpp>

namespace modelgrow::inline v0::detail {

/// The folder that a name means: without a slash at its end, and where a link leads that leads to a folder, so that the
/// link stays when the folder is replaced.
inline std::filesystem::path folder_named(std::filesystem::path target) {
  if (!target.has_filename()) target = target.parent_path();
  std::error_code failed;
  if (!std::filesystem::is_symlink(target, failed) || !std::filesystem::is_directory(target, failed)) return target;
  auto folder = std::filesystem::canonical(target, failed);
  return failed ? target : folder;
}

/// Flushes a complete directory and gives it its name. With `replace` an old one is exchanged in one step; after that
/// `path` names the old one, which is to be removed, else it is empty.
inline void publish_directory(std::filesystem::path& path, const std::filesystem::path& target, Existing existing) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) sync_path(entry.path());
  sync_path(path);
  std::error_code ignored;
  if (existing == Existing::refuse || !std::filesystem::exists(std::filesystem::symlink_status(target, ignored))) {
    publish(path, target, Existing::refuse);
    path.clear();
    return;
  }
  if (::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, target.c_str(), RENAME_EXCHANGE) != 0) {
    if (errno != EINVAL && errno != ENOSYS) throw_io("replace", target);
    const std::filesystem::path old = partial_name(target);  // two steps where the file system has no exchange
    if (::rename(target.c_str(), old.c_str()) != 0) throw_io("replace", target);
    if (::rename(path.c_str(), target.c_str()) != 0) {
      const int code = errno;
      ::rename(old.c_str(), target.c_str());
      throw_io("replace", target, code);
    }
    path = old;
  }
  sync_path(parent_of(target));
}

/// Fill path(), then commit() renames it to the target; destroyed before that, it leaves nothing behind.
/// With `replace` the old directory is exchanged in one step and then removed.
/// Every operation throws io_error with the path of the target.
class AtomicDirectory {
 public:
  explicit AtomicDirectory(std::filesystem::path target, Existing existing = Existing::refuse)
      : target_(folder_named(std::move(target))), existing_(existing) {
    std::error_code code;
    check_target(target_, existing_);
    if (exists() && !std::filesystem::is_directory(target_, code)) throw_io("write a directory to", target_, ENOTDIR);
    remove_leftovers(target_);
    bool mine = false;
    while (!mine) {
      path_ = partial_name(target_);
      if (::mkdir(path_.c_str(), 0777) != 0) {
        if (errno != EEXIST) throw_io("write", target_);
        continue;
      }
      lock_ = open_file(path_, O_RDONLY | O_DIRECTORY);
      mine = lock_ && lock_partial(lock_.get(), path_);
    }
  }
  AtomicDirectory(AtomicDirectory&&) = delete;
  ~AtomicDirectory() {
    std::error_code failed;
    if (path_.empty()) return;
    do std::filesystem::remove_all(path_, failed);
    while (failed == std::errc::no_such_file_or_directory);  // another process removed a file of its own meanwhile
  }

  /// Where to write the files until commit().
  const std::filesystem::path& path() const { return path_; }
  const std::filesystem::path& target() const { return target_; }

  void commit() { publish_directory(path_, target_, existing_); }

 private:
  bool exists() const {
    std::error_code ignored;
    return std::filesystem::exists(std::filesystem::symlink_status(target_, ignored));
  }

  std::filesystem::path target_, path_;
  Existing existing_;
  Descriptor lock_;
};

/// Throws io_error where the folder that would be replaced holds what is read.
inline void check_not_inside(const std::filesystem::path& in, const std::filesystem::path& directory) {
  std::error_code failed;
  const auto source = std::filesystem::weakly_canonical(in, failed);
  const auto target = std::filesystem::weakly_canonical(directory, failed);
  const auto relative = source.lexically_relative(target);
  if (!failed && source != target && !relative.empty() && *relative.begin() != "..")
    throw io_error("cannot replace '" + directory.string() + "': what is read, '" + in.string() +
                   "', lies in it; write elsewhere");
}

}  // namespace modelgrow::inline v0::detail
