// SPDX-License-Identifier: MIT
// The definitions of partial.hpp.
#pragma once
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/partial.hpp>

namespace modelgrow::inline v0 {

namespace detail {

MODELGROW_INLINE std::filesystem::path partial_prefix(const std::filesystem::path& target) {
  std::string name(1, '.');
  name.append(target.filename().string()).append(".partial-");
  return parent_of(target) / name;
}

MODELGROW_INLINE std::filesystem::path partial_name(const std::filesystem::path& target) {
  const auto ticks = std::chrono::steady_clock::now().time_since_epoch().count();
  return partial_prefix(target).string() + std::to_string(::getpid()) + "-" + std::to_string(ticks);
}

MODELGROW_INLINE void remove_leftovers(const std::filesystem::path& target) {
  const std::string prefix = partial_prefix(target).filename().string();
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(parent_of(target), ignored)) {
    if (!entry.path().filename().string().starts_with(prefix)) continue;
    const Descriptor fd = open_file(entry.path(), O_RDONLY);
    if (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) std::filesystem::remove_all(entry.path(), ignored);
  }
}

MODELGROW_INLINE bool lock_partial(int fd, const std::filesystem::path& path) {
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return false;
  struct stat mine {
  }, there{};
  return ::fstat(fd, &mine) == 0 && ::stat(path.c_str(), &there) == 0 && mine.st_ino == there.st_ino;
}

MODELGROW_INLINE void check_target(const std::filesystem::path& target, Existing existing) {
  std::error_code ignored;
  if (target.filename().empty()) throw io_error("cannot write '" + target.string() + "': the name is empty");
  if (!std::filesystem::is_directory(parent_of(target), ignored)) throw_io("write", target, ENOENT);
  if (existing == Existing::refuse && std::filesystem::exists(std::filesystem::symlink_status(target, ignored)))
    throw_io("write", target, EEXIST);
}

MODELGROW_INLINE void publish(const std::filesystem::path& partial, const std::filesystem::path& target,
                              Existing existing) {
  const auto rename_with = [&](unsigned flags) {
    return ::renameat2(AT_FDCWD, partial.c_str(), AT_FDCWD, target.c_str(), flags) == 0;
  };
  bool done = rename_with(existing == Existing::refuse ? RENAME_NOREPLACE : 0u);
  if (!done && errno == EINVAL && existing == Existing::refuse) {  // a file system without RENAME_NOREPLACE
    check_target(target, existing);
    done = rename_with(0u);
  }
  if (!done) throw_io("write", target);
  sync_path(parent_of(target));
}

}  // namespace detail

}  // namespace modelgrow::inline v0
