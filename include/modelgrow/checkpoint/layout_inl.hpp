// SPDX-License-Identifier: MIT
// The definitions of layout.hpp.
#pragma once
#include <cstdio>
#include <unordered_set>

#include <modelgrow/checkpoint/folder.hpp>
#include <modelgrow/checkpoint/layout.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/json_members.hpp>
#include <modelgrow/detail/utf8.hpp>

namespace modelgrow::inline v0 {

namespace detail {

MODELGROW_INLINE std::uint64_t declared_bytes(const NamedShape& t, const std::filesystem::path& path) {
  const auto n = byte_size(t.dtype, t.shape);
  if (!n)
    throw format_error(path.string() + ": tensor '" + t.name + "' of type " + std::string(name(t.dtype)) +
                       " and shape " + to_string(t.shape) + " has no whole number of bytes that fits in 64 bits");
  return *n;
}

/// Length, JSON and padding of a file with these tensors, which are in file order.
inline std::string safetensors_header(const std::vector<NamedShape>& tensors, const Metadata& metadata,
                                      const std::filesystem::path& path) {
  json header = json::object();
  const auto check = [&](const std::string& text) {
    if (!is_utf8(text)) throw format_error(path.string() + ": the name or metadata '" + text + "' is not UTF-8");
  };
  for (const auto& [key, value] : metadata) {
    check(key);
    check(value);
    header["__metadata__"][key] = value;
  }
  std::string text = header.dump(-1, ' ', false);
  text.pop_back();  // tensors are appended by hand: thousands of lookups in an ordered object would be quadratic
  std::uint64_t at = 0;
  for (const auto& t : tensors) {
    check(t.name);
    if (t.name == "__metadata__") throw format_error(path.string() + ": no tensor can be named '__metadata__'");
    const std::uint64_t end = at + declared_bytes(t, path);
    if (end < at) throw format_error(path.string() + ": the tensors need more than 64 bits of bytes");
    if (text.size() > 1) text += ',';
    text.append(json(t.name).dump(-1, ' ', false)).append(":{\"dtype\":\"").append(name(t.dtype));
    text.append("\",\"shape\":[");
    for (int a = 0; a < t.shape.rank(); ++a) text.append(a ? "," : "").append(std::to_string(t.shape[a]));
    text.append("],\"data_offsets\":[").append(std::to_string(at)).append(",").append(std::to_string(end)).append("]}");
    at = end;
  }
  text += "}";
  text.resize((text.size() + 7) / 8 * 8, ' ');
  if (text.size() > max_safetensors_header)
    throw format_error(path.string() + ": HeaderTooLarge: the header needs " + std::to_string(text.size()) +
                       " bytes, at most 100000000; write shards");
  std::string length(8, '\0');
  const std::uint64_t n = text.size();
  std::memcpy(length.data(), &n, 8);
  return length + text;
}

/// "X.safetensors.index.json"; of a variant "X.safetensors.index.ema.json".
inline std::filesystem::path index_path(const std::filesystem::path& path) {
  const auto f = classify(path.filename().string());
  if (f.variant.empty()) return path.string() + ".index.json";
  return path.parent_path() / (f.stem + ".safetensors.index." + f.variant + ".json");
}

inline std::filesystem::path shard_path(const std::filesystem::path& path, std::size_t i, std::size_t count) {
  if (count == 1) return path;
  char number[64];
  std::snprintf(number, sizeof number, "-%05zu-of-%05zu.safetensors", i + 1, count);
  return path.parent_path() / (path.stem().string() + number);
}

inline std::string index_text(const CheckpointLayout& layout) {
  std::map<std::string, std::string> file_of;
  for (const auto& f : layout.files)
    for (const auto& t : f.tensors) file_of.emplace(t.name, f.path.filename().string());
  auto index =
      object_of({{"metadata", object_of({{"total_size", layout.total_bytes}})}, {"weight_map", json::object()}});
  auto& files = index["weight_map"].get_ref<json::object_t&>();
  for (const auto& [name, file] : file_of) files.emplace_back(name, file);
  return index.dump(2) + "\n";
}

}  // namespace detail

MODELGROW_INLINE FileLayout layout_of(const std::filesystem::path& path, std::vector<NamedShape> tensors,
                                      const Metadata& metadata) {
  const auto order = detail::sorted_indices(tensors.size(), [&](std::size_t i, std::size_t j) {
    const NamedShape &a = tensors[i], &b = tensors[j];
    return a.dtype != b.dtype ? a.dtype > b.dtype : a.name < b.name;
  });
  FileLayout file{.path = path, .header = {}, .tensors = detail::reordered(std::move(tensors), order), .begin = {}};
  file.header = detail::safetensors_header(file.tensors, metadata, path);
  std::unordered_set<std::string_view> names;
  std::uint64_t at = file.header.size();
  for (const auto& t : file.tensors) {
    if (!names.insert(t.name).second) throw format_error(path.string() + ": tensor '" + t.name + "' is declared twice");
    file.begin.push_back(at);
    at += detail::declared_bytes(t, path);
  }
  file.begin.push_back(at);
  return file;
}

MODELGROW_INLINE CheckpointLayout layout_of_files(const std::filesystem::path& path,
                                                  std::vector<std::vector<NamedShape>> files, Metadata metadata) {
  if (path.extension() != ".safetensors")
    throw io_error("cannot write '" + path.string() + "': the name of a checkpoint ends in .safetensors");
  metadata.emplace("format", "pt");
  CheckpointLayout layout;
  std::unordered_set<std::string> names;
  for (const auto& file : files)
    for (const auto& t : file) {
      if (!names.insert(t.name).second)
        throw format_error(path.string() + ": tensor '" + t.name + "' is declared twice");
      layout.total_bytes += detail::declared_bytes(t, path);
    }
  for (std::size_t i = 0; i < files.size(); ++i)
    layout.files.push_back(layout_of(detail::shard_path(path, i, files.size()), std::move(files[i]), metadata));
  layout.path = files.size() > 1 ? detail::index_path(path) : path;
  if (files.size() > 1) layout.index_text = detail::index_text(layout);
  return layout;
}

MODELGROW_INLINE CheckpointLayout layout_of_shards(const std::filesystem::path& path, std::vector<NamedShape> tensors,
                                                   Metadata metadata, std::uint64_t shard_bytes) {
  std::vector<std::vector<NamedShape>> files(1);
  std::uint64_t file_bytes = 0;
  for (auto& t : tensors) {
    const std::uint64_t n = detail::declared_bytes(t, path);
    if (!files.back().empty() && n > shard_bytes - std::min(file_bytes, shard_bytes)) {
      files.emplace_back();
      file_bytes = 0;
    }
    file_bytes += n;
    files.back().push_back(std::move(t));
  }
  return layout_of_files(path, std::move(files), std::move(metadata));
}

}  // namespace modelgrow::inline v0
