// SPDX-License-Identifier: MIT
// The metadata of a GGUF file: typed values under names, read from the mapped bytes when they are asked for.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/core/names.hpp>

namespace modelgrow::inline v0 {

/// Types of metadata values; the numbers are those of the file format.
enum class GgufType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

namespace detail {

struct GgufTypeInfo {
  std::string_view name;
  std::uint64_t bytes;  // of one value; 0 where the value says so itself
};
inline constexpr GgufTypeInfo gguf_types[] = {{"u8", 1},  {"i8", 1},  {"u16", 2},  {"i16", 2},    {"u32", 4},
                                              {"i32", 4}, {"f32", 4}, {"bool", 1}, {"string", 0}, {"array", 0},
                                              {"u64", 8}, {"i64", 8}, {"f64", 8}};
inline const GgufTypeInfo& info(GgufType t) { return gguf_types[static_cast<std::size_t>(t)]; }

template <class T>
T load(const std::byte* p) {
  T x;
  std::memcpy(&x, p, sizeof x);
  return x;
}

/// An integer of any width; empty for other types and for u64 values from 2^63 on.
inline std::optional<std::int64_t> gguf_integer(GgufType type, const std::byte* p) {
  switch (type) {
    case GgufType::u8:
      return load<std::uint8_t>(p);
    case GgufType::i8:
      return load<std::int8_t>(p);
    case GgufType::u16:
      return load<std::uint16_t>(p);
    case GgufType::i16:
      return load<std::int16_t>(p);
    case GgufType::u32:
      return load<std::uint32_t>(p);
    case GgufType::i32:
      return load<std::int32_t>(p);
    case GgufType::i64:
      return load<std::int64_t>(p);
    case GgufType::u64:
      if (const auto x = load<std::int64_t>(p); x >= 0) return x;
      [[fallthrough]];
    default:
      return std::nullopt;
  }
}

inline std::optional<double> gguf_real(GgufType type, const std::byte* p) {
  if (type == GgufType::f32) return load<float>(p);
  if (type == GgufType::f64) return load<double>(p);
  return std::nullopt;
}

}  // namespace detail

/// One checked value: `bytes` of the mapped file hold `count` values of `type` (1 unless `is_array`).
struct GgufValue {
  GgufType type = GgufType::u8;
  bool is_array = false;
  std::uint64_t count = 1;
  std::span<const std::byte> bytes;
};

/// Values by key. The getters convert between widths, never between kinds, and throw format_error that names the file
/// and the key when it is missing or of another kind. Strings point into the mapped file.
class GgufMetadata {
 public:
  GgufMetadata() = default;
  explicit GgufMetadata(std::string source) : source_(std::move(source)) {}

  /// False when the key exists already.
  bool insert(std::string_view key, const GgufValue& value) { return values_.emplace(key, value).second; }
  const GgufValue* find(std::string_view key) const {
    const auto it = values_.find(key);
    return it == values_.end() ? nullptr : &it->second;
  }
  bool contains(std::string_view key) const { return find(key) != nullptr; }
  std::size_t size() const { return values_.size(); }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }

  std::int64_t integer(std::string_view key) const {
    const auto& v = scalar(key, "an integer");
    if (const auto x = detail::gguf_integer(v.type, v.bytes.data())) return *x;
    wrong(key, v, "an integer");
  }
  std::int64_t integer(std::string_view key, std::int64_t otherwise) const {
    return contains(key) ? integer(key) : otherwise;
  }
  double real(std::string_view key) const {
    const auto& v = scalar(key, "a float");
    if (const auto x = detail::gguf_real(v.type, v.bytes.data())) return *x;
    wrong(key, v, "a float");
  }
  double real(std::string_view key, double otherwise) const { return contains(key) ? real(key) : otherwise; }
  bool flag(std::string_view key, bool otherwise) const {
    if (!contains(key)) return otherwise;
    const auto& v = scalar(key, "a bool");
    if (v.type != GgufType::boolean) wrong(key, v, "a bool");
    return v.bytes[0] != std::byte{0};
  }
  std::string_view text(std::string_view key) const {
    const auto& v = scalar(key, "a string");
    if (v.type != GgufType::string) wrong(key, v, "a string");
    return string_at(v.bytes.data());
  }
  std::string_view text(std::string_view key, std::string_view otherwise) const {
    return contains(key) ? text(key) : otherwise;
  }
  std::vector<std::string_view> texts(std::string_view key) const {
    const auto& v = array(key, "an array of strings");
    if (v.type != GgufType::string) wrong(key, v, "an array of strings");
    std::vector<std::string_view> list;
    list.reserve(v.count);
    const std::byte* p = v.bytes.data();
    for (std::uint64_t i = 0; i < v.count; ++i) {
      list.push_back(string_at(p));
      p += 8 + list.back().size();
    }
    return list;
  }
  std::vector<std::int64_t> integers(std::string_view key) const {
    constexpr auto expected = "an array of integers";
    const auto& v = array(key, expected);
    std::vector<std::int64_t> list;
    list.reserve(v.count);
    for (std::uint64_t i = 0; i < v.count; ++i) {
      const auto x = detail::gguf_integer(v.type, v.bytes.data() + i * detail::info(v.type).bytes);
      if (!x) wrong(key, v, expected);
      list.push_back(*x);
    }
    return list;
  }
  std::vector<double> reals(std::string_view key) const {
    constexpr auto expected = "an array of floats";
    const auto& v = array(key, expected);
    std::vector<double> list;
    list.reserve(v.count);
    for (std::uint64_t i = 0; i < v.count; ++i) {
      const auto x = detail::gguf_real(v.type, v.bytes.data() + i * detail::info(v.type).bytes);
      if (!x) wrong(key, v, expected);
      list.push_back(*x);
    }
    return list;
  }

 private:
  static std::string_view string_at(const std::byte* p) {
    return {reinterpret_cast<const char*>(p) + 8, std::size_t(detail::load<std::uint64_t>(p))};
  }
  const GgufValue& at(std::string_view key) const {
    if (const auto* found = find(key)) return *found;
    std::vector<std::string_view> all;
    for (const auto& [name, value] : values_) all.push_back(name);
    throw format_error(source_ + ": there is no metadata '" + std::string(key) + "'" + nearest_names(key, all));
  }
  const GgufValue& scalar(std::string_view key, const char* expected) const {
    const auto& v = at(key);
    if (v.is_array) wrong(key, v, expected);
    return v;
  }
  const GgufValue& array(std::string_view key, const char* expected) const {
    const auto& v = at(key);
    if (!v.is_array) wrong(key, v, expected);
    return v;
  }
  [[noreturn]] void wrong(std::string_view key, const GgufValue& v, const char* expected) const {
    throw format_error(source_ + ": the metadata '" + std::string(key) + "' is " +
                       (v.is_array ? "an array of type " : "of type ") + std::string(detail::info(v.type).name) +
                       "; expected " + expected);
  }

  std::map<std::string_view, GgufValue, std::less<>> values_;
  std::string source_;
};

}  // namespace modelgrow::inline v0
