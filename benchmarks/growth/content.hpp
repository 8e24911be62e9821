// SPDX-License-Identifier: MIT
// Checksums of what runs are made from, as short words: the same content gives the same word wherever it lies.
#pragma once
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/detail/hash64.hpp>

namespace growth {
namespace mg = modelgrow;

/// 16 hexadecimal digits.
inline std::string checksum_of(std::string_view text) {
  char word[17];
  std::snprintf(word, sizeof word, "%016llx",
                static_cast<unsigned long long>(mg::detail::hash64(std::as_bytes(std::span(text)))));
  return word;
}

/// Throws io_error.
inline std::string checksum_of_file(const std::filesystem::path& path) {
  return checksum_of(mg::detail::read_file(path));
}

/// A path of an experiment: it begins at the folder of its file, or at the repository for what comes with that.
inline std::filesystem::path found_path(const std::filesystem::path& folder, const std::filesystem::path& path) {
  return std::filesystem::exists(folder / path) ? folder / path : std::filesystem::path(MODELGROW_SOURCE_DIR) / path;
}

/// Of the names and contents of all files below a folder. Throws io_error when there is none.
inline std::string checksum_of_folder(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder))
    throw mg::io_error(folder.string() +
                       ": no such folder; paths in an experiment begin at the folder of its file, or at the " +
                       "repository for what comes with that");
  std::vector<std::string> lines;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file())
      lines.push_back(std::filesystem::relative(entry.path(), folder).string() + " " + checksum_of_file(entry.path()));
  std::ranges::sort(lines);
  std::string all;
  for (const auto& line : lines) all += line + "\n";
  return checksum_of(all);
}

}  // namespace growth
