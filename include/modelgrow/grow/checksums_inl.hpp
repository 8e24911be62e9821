// SPDX-License-Identifier: MIT
// The definitions of checksums.hpp.
#pragma once
#include <charconv>
#include <cstdio>

#include <modelgrow/core/parallel.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/detail/direct_file.hpp>
#include <modelgrow/detail/hash64.hpp>
#include <modelgrow/detail/json_members.hpp>
#include <modelgrow/grow/checksums.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE void write_checksums(const Checksums& checksums, const std::filesystem::path& folder) {
  using detail::json, detail::object_of;
  json files = json::object();
  for (const auto& [name, f] : checksums.files) {
    json windows = json::array();
    for (const auto sum : f.windows) {
      char text[17];
      std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(sum));
      windows.push_back(text);
    }
    files[name] = object_of({{"bytes", f.bytes}, {"windows", std::move(windows)}});
  }
  const auto j = object_of({{"hash", "xxh64"}, {"window_bytes", checksums.window_bytes}, {"files", std::move(files)}});
  detail::write_file(folder / Checksums::file, j.dump(1) + "\n");
}

MODELGROW_INLINE Checksums read_checksums(const std::filesystem::path& folder) {
  const auto path = folder / Checksums::file;
  const auto j = detail::parse_json(detail::read_file(path), path.string());
  const auto bad = [&](const std::string& what) {
    return format_error(path.string() + ": " + what + "; it is not what growth writes, so remove it or grow again");
  };
  const auto* hash = detail::member(j, "hash");
  if (!hash || *hash != "xxh64") throw bad("'hash' is not \"xxh64\"");
  const auto number = [&](const detail::json& of, const char* key) {
    const auto* n = detail::member(of, key);
    if (!n || !n->is_number_unsigned()) throw bad("'" + std::string(key) + "' is not a whole number");
    return n->get<std::uint64_t>();
  };
  Checksums sums;
  sums.window_bytes = number(j, "window_bytes");
  const auto* files = detail::member(j, "files");
  if (sums.window_bytes == 0 || sums.window_bytes % detail::disk_block != 0 || sums.window_bytes > (1u << 30))
    throw bad("'window_bytes' is no multiple of " + std::to_string(detail::disk_block) + " up to 1 GB");
  if (!files || !files->is_object()) throw bad("there are no 'files'");
  for (const auto& [name, entry] : files->items()) {
    auto& f = sums.files[name];
    f.bytes = number(entry, "bytes");
    const auto* windows = detail::member(entry, "windows");
    const std::uint64_t wanted = f.bytes / sums.window_bytes + (f.bytes % sums.window_bytes > 0);
    if (!windows || !windows->is_array() || windows->size() != wanted)
      throw bad("'" + name + "' does not have " + std::to_string(wanted) + " windows");
    for (const auto& w : *windows) {
      const std::string text = w.is_string() ? w.get<std::string>() : "";
      std::uint64_t sum = 0;
      const auto end = std::from_chars(text.data(), text.data() + text.size(), sum, 16);
      if (text.size() != 16 || end.ptr != text.data() + text.size())
        throw bad("a window of '" + name + "' is no checksum");
      f.windows.push_back(sum);
    }
  }
  return sums;
}

MODELGROW_INLINE void check_sizes(const Checksums& checksums, const std::filesystem::path& folder) {
  for (const auto& [name, f] : checksums.files) {
    const auto path = folder / name;
    std::error_code failed;
    const auto bytes = std::filesystem::file_size(path, failed);
    if (failed) throw check_error(path.string() + ": the file is missing, and was there when it was grown");
    if (bytes != f.bytes)
      throw check_error(path.string() + ": the file has " + std::to_string(bytes) + " bytes; " +
                        std::to_string(f.bytes) + " were written: fetch or grow it again");
  }
}

MODELGROW_INLINE void check_checksums(const Checksums& checksums, const std::filesystem::path& folder) {
  check_sizes(checksums, folder);
  for (const auto& [name, f] : checksums.files) {
    const auto path = folder / name;
    const detail::DirectFile disk(path, detail::DirectFile::Access::read);
    parallel_tasks(std::int64_t(f.windows.size()), 1, [&] {
      return [&, buffer = detail::BlockBuffer(checksums.window_bytes)](std::int64_t i) {
        const std::uint64_t begin = std::uint64_t(i) * checksums.window_bytes;
        const auto bytes = buffer.first(std::min(checksums.window_bytes, f.bytes - begin));
        if (!disk.read(begin, buffer, bytes.size()))
          throw io_error("cannot read '" + path.string() + "': it was cut while it was read");
        detail::check_window(checksums, name, path, begin, bytes);
      };
    });
  }
}

MODELGROW_INLINE void detail::check_window(const Checksums& checksums, const std::string& name,
                                           const std::filesystem::path& path, std::uint64_t begin,
                                           std::span<const std::byte> bytes) {
  if (hash64(bytes) == checksums.files.at(name).windows[begin / checksums.window_bytes]) return;
  throw check_error(path.string() + ": bytes " + std::to_string(begin) + " to " + std::to_string(begin + bytes.size()) +
                    " are not what was written (checksums.json): the file was changed, or a disk or a copy has " +
                    "damaged it; fetch or grow it again");
}

}  // namespace modelgrow::inline v0
