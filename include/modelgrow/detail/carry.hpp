// SPDX-License-Identifier: MIT
// Files that go into another folder as they are: large ones share their blocks with the original, where the file
// system can do that.
#pragma once
#include <linux/fs.h>
#include <sys/ioctl.h>

#include <cstdint>

#include <modelgrow/detail/posix.hpp>

namespace modelgrow::inline v0::detail {

/// What became of the files of a folder, or of one file.
struct Carried {
  std::size_t shared = 0, copied = 0;  // files
};

/// Below this, files are copied: people edit them.
inline constexpr std::uintmax_t always_copied = std::uintmax_t{1} << 20;

/// The content of `from` (links are followed) under the new name `to`. Throws io_error.
inline void carry_file(const std::filesystem::path& from, const std::filesystem::path& to, Carried& done) {
  std::error_code code;
  const auto file = std::filesystem::canonical(from, code);
  if (code) throw_io("read", from, code.value());
  if (std::filesystem::file_size(file, code) >= always_copied && !code) {
    const Descriptor in = open_file(file, O_RDONLY);
    if (Descriptor out = open_file(to, O_WRONLY | O_CREAT | O_EXCL); in && out) {
      if (::ioctl(out.get(), FICLONE, in.get()) == 0) {  // the same blocks until one of the two is written
        ++done.shared;
        return;
      }
      ::unlink(to.c_str());
    }
    if (::link(file.c_str(), to.c_str()) == 0) {
      ++done.shared;
      return;
    }
  }
  if (!std::filesystem::copy_file(file, to, code)) throw_io("copy", from, code.value());
  ++done.copied;
}

/// The same for a folder and all in it; entries that begin with a dot stay behind. Throws io_error.
inline void carry(const std::filesystem::path& from, const std::filesystem::path& to, Carried& done, int depth = 0) {
  std::error_code code;
  if (!std::filesystem::is_directory(from, code)) return carry_file(from, to, done);
  if (depth > 16) throw_io("copy", from, ELOOP);
  std::filesystem::create_directory(to, code);
  if (code) throw_io("write", to, code.value());
  for (std::filesystem::directory_iterator it(from, code), end; !code && it != end; it.increment(code))
    if (const auto name = it->path().filename(); !name.string().starts_with('.'))
      carry(it->path(), to / name, done, depth + 1);
  if (code) throw_io("read", from, code.value());
}

}  // namespace modelgrow::inline v0::detail
