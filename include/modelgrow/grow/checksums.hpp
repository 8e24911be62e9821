// SPDX-License-Identifier: MIT
// Checksums of grown files, window by window, in "checksums.json" beside them: what left the memory when it was checked
// there, so that later a disk or a copy can be told from a growth.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

/// XXH64 of every window of some files.
struct Checksums {
  static constexpr std::string_view file = "checksums.json";
  struct File {
    std::uint64_t bytes = 0;
    std::vector<std::uint64_t> windows;
    bool operator==(const File&) const = default;
  };
  std::uint64_t window_bytes = 0;
  std::map<std::string, File> files;  // by name within the folder
  bool operator==(const Checksums&) const = default;
};

/// Into "checksums.json" of a folder. Throws io_error.
void write_checksums(const Checksums& checksums, const std::filesystem::path& folder);

/// From "checksums.json" of a folder. Throws io_error, and format_error for a text that is none.
Checksums read_checksums(const std::filesystem::path& folder);

/// Throws check_error where a file of a folder is missing or has another size; nothing is read.
void check_sizes(const Checksums& checksums, const std::filesystem::path& folder);

/// Reads the files of a folder and compares, on all cores. Throws check_error that names the first file that differs
/// and where, and io_error.
void check_checksums(const Checksums& checksums, const std::filesystem::path& folder);

namespace detail {
/// One window that was read from a file, which begins at `begin`. Throws check_error.
void check_window(const Checksums& checksums, const std::string& name, const std::filesystem::path& path,
                  std::uint64_t begin, std::span<const std::byte> bytes);
}  // namespace detail

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/checksums_inl.hpp>
#endif
