// SPDX-License-Identifier: MIT
// The definitions of writer.hpp.
#pragma once
#include <modelgrow/checkpoint/writer.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/json.hpp>
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

}  // namespace detail

MODELGROW_INLINE SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path,
                                                      std::vector<NamedShape> tensors, const Metadata& metadata,
                                                      Existing existing)
    : file_(path, existing) {
  const auto order = detail::sorted_indices(tensors.size(), [&](std::size_t i, std::size_t j) {
    const NamedShape &a = tensors[i], &b = tensors[j];
    return a.dtype != b.dtype ? a.dtype > b.dtype : a.name < b.name;
  });
  tensors_ = detail::reordered(std::move(tensors), order);
  const std::string header = detail::safetensors_header(tensors_, metadata, path);
  std::uint64_t at = header.size();
  for (const auto& t : tensors_) {
    const std::uint64_t n = detail::declared_bytes(t, path);
    if (!slots_.emplace(t.name, Slot{.begin = at, .bytes = n}).second)
      throw format_error(path.string() + ": tensor '" + t.name + "' is declared twice");
    at += n;
  }
  file_.reserve(at);
  file_.append(header);
}

MODELGROW_INLINE void SafetensorsWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  const auto it = slots_.find(std::string(name));
  if (it == slots_.end()) throw format_error(path().string() + ": tensor '" + std::string(name) + "' was not declared");
  Slot& slot = it->second;
  if (bytes.size() > slot.bytes - slot.written)
    throw format_error(path().string() + ": tensor '" + std::string(name) + "' was given " +
                       std::to_string(slot.written + bytes.size()) + " bytes; it was declared with " +
                       std::to_string(slot.bytes));
  file_.write_at(slot.begin + slot.written, bytes);
  slot.written += bytes.size();
}

MODELGROW_INLINE void SafetensorsWriter::finish() {
  for (const auto& t : tensors_)
    if (const Slot& slot = slots_.at(t.name); slot.written != slot.bytes)
      throw format_error(path().string() + ": tensor '" + t.name + "' is incomplete: " + std::to_string(slot.written) +
                         " of " + std::to_string(slot.bytes) + " bytes were written");
  file_.sync();
}

MODELGROW_INLINE void SafetensorsWriter::commit() {
  finish();
  file_.commit();
}

}  // namespace modelgrow::inline v0
