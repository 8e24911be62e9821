// SPDX-License-Identifier: MIT
// The definitions of journal.hpp.
#pragma once
#include <charconv>
#include <cstdio>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/detail/journal.hpp>

namespace modelgrow::inline v0 {

namespace detail {

inline constexpr std::string_view journal_title = "modelgrow journal 1";

inline void append_line(int fd, const std::string& line, const std::filesystem::path& path) {
  ssize_t n;
  do n = ::write(fd, line.data(), line.size());
  while (n < 0 && errno == EINTR);
  if (n != ssize_t(line.size())) throw_io("write", path, n < 0 ? errno : ENOSPC);
}

MODELGROW_INLINE std::vector<std::filesystem::path> Journal::all_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> all;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (const auto name = entry.path().filename().string(); name == file || name.starts_with(file + std::string(".")))
      all.push_back(entry.path());
  return all;
}

MODELGROW_INLINE Journal::Journal(const std::filesystem::path& folder, const Facts& facts, int rank)
    : path_(folder / (rank == 0 ? file : file + ("." + std::to_string(rank)))) {
  std::string begin(journal_title);
  for (const auto& [key, value] : facts) begin += "\n" + key + " " + value;
  begin += "\n\n";
  bool there = false, cut = false;
  for (const auto& path : all_in(folder)) {
    const std::string text = read_file(path);
    if (path == path_) there = true, cut = !text.ends_with('\n');
    if (text.starts_with(begin)) {
      read(std::string_view(text).substr(begin.size()), before_);
      continue;
    }
    std::string what = "by another version of this library";
    for (const auto& [key, value] : facts)
      if (const std::string line = "\n" + key + " "; text.starts_with(journal_title) && text.find(line) != text.npos &&
                                                     text.find(line + value + "\n") == text.npos) {
        what = "with another " + key;
        break;
      }
    throw plan_error("'" + folder.string() + "' holds an unfinished growth that was begun " + what +
                     "; go on with that one, or begin anew (Unfinished::begin_anew, --no-resume), which removes it");
  }
  if (!there) write_file(path_, begin);
  fd_ = open_file(path_, O_WRONLY | O_APPEND);
  if (!fd_) throw_io("write", path_);
  if (cut) append_line(fd_.get(), "\n", path_);
}

/// Lines of "<checksum> <window> <name>"; anything else says nothing.
MODELGROW_INLINE void Journal::read(std::string_view text, Windows& windows) {
  for (auto newline = text.find('\n'); newline != text.npos; newline = text.find('\n')) {
    const auto line = text.substr(0, newline);
    text.remove_prefix(newline + 1);
    std::uint64_t checksum = 0, window = 0;
    const char* const end = line.data() + line.size();
    const auto first = std::from_chars(line.data(), end, checksum, 16);
    if (first.ec != std::errc() || first.ptr - line.data() != 16 || first.ptr == end || *first.ptr != ' ') continue;
    const auto second = std::from_chars(first.ptr + 1, end, window);
    if (second.ec != std::errc() || second.ptr == end || *second.ptr != ' ') continue;
    windows[{std::string(second.ptr + 1, end), window}] = checksum;
  }
}

MODELGROW_INLINE std::size_t Journal::windows_in(const std::filesystem::path& folder) {
  Windows all;
  for (const auto& path : all_in(folder)) read(read_file(path), all);
  return all.size();
}

MODELGROW_INLINE std::optional<std::uint64_t> Journal::find(const std::string& name, std::uint64_t window) const {
  const auto it = before_.find({name, window});
  return it == before_.end() ? std::nullopt : std::optional(it->second);
}

MODELGROW_INLINE void Journal::add(const std::string& name, std::uint64_t window, std::uint64_t checksum) {
  char numbers[64];
  std::snprintf(numbers, sizeof numbers, "%016llx %llu ", static_cast<unsigned long long>(checksum),
                static_cast<unsigned long long>(window));
  append_line(fd_.get(), numbers + name + "\n", path_);
}

}  // namespace detail

}  // namespace modelgrow::inline v0
