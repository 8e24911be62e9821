// SPDX-License-Identifier: MIT
// The definitions of safetensors.hpp.
#pragma once
#include <cstring>
#include <utility>

#include <modelgrow/checkpoint/safetensors.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/json_members.hpp>
#include <modelgrow/detail/mmap.hpp>
#include <modelgrow/detail/utf8.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE std::optional<std::uint64_t> byte_size(DType dtype, const Shape& shape) {
  std::uint64_t n = std::uint64_t(bits(dtype));
  for (auto d : shape)
    if (__builtin_mul_overflow(n, std::uint64_t(d), &n)) return std::nullopt;
  return n % 8 ? std::nullopt : std::optional(n / 8);
}

namespace detail {

/// What a file that is no safetensors file seems to be, with what to do about it.
inline std::string foreign_format(std::string_view head) {
  // The length of a safetensors header may begin with \x80\x02, too, but its upper half is zero.
  const bool pickle =
      head.starts_with("\x80\x02") && !(head.size() >= 8 && head.substr(4, 4) == std::string_view("\0\0\0\0", 4));
  if (pickle || head.starts_with("PK\x03\x04"))
    return "; this is a torch file (a pickle): give it the ending .pt, and it is read as one";
  if (head.starts_with("GGUF")) return "; this is a GGUF file: convert it to safetensors first";
  if (head.starts_with("version https://git-lfs"))
    return "; this is a Git LFS pointer: fetch the file itself with `git lfs pull`";
  return "; the file is truncated, altered or no safetensors file: fetch or write it again";
}

/// Checks a whole file in the order of the reference reader; the error names are those of the reference.
class SafetensorsParser {
 public:
  std::vector<TensorView> tensors;  // in file order
  Metadata metadata;

  /// Throws format_error "<path>: <ErrorName>: ...".
  SafetensorsParser(std::span<const std::byte> file, std::string path) : file_(file), path_(std::move(path)) {
    if (file.size() < 8) fail("HeaderTooSmall", "the file has " + std::to_string(file.size()) + " bytes, at least 8");
    std::uint64_t length;
    std::memcpy(&length, file.data(), 8);
    if (length > max_safetensors_header) {
      const bool honest = length <= file.size() - 8 && file[8] == std::byte('{');
      fail(
          "HeaderTooLarge", "the header claims " + std::to_string(length) + " bytes, at most 100000000",
          honest ? "; it names more tensors than the format holds in one file: save them in shards with an index" : "");
    }
    if (length > file.size() - 8)
      fail("InvalidHeaderLength", "the header claims " + std::to_string(length) + " bytes, the file has " +
                                      std::to_string(file.size() - 8) + " after the length");
    const std::string_view header(reinterpret_cast<const char*>(file.data()) + 8, std::size_t(length));
    if (!is_utf8(header)) fail("InvalidHeader", "the header is not UTF-8");
    read_header(header);
    place(8 + length);
  }

 private:
  struct Entry {
    std::string name;
    DType dtype;
    std::vector<std::uint64_t> dims;
    std::uint64_t begin, end;
  };

  /// `advice`: what to do, where that is known; else it is told from how the file begins.
  [[noreturn]] void fail(const char* error_name, const std::string& what, const std::string& advice = {}) const {
    const std::string_view head(reinterpret_cast<const char*>(file_.data()), std::min<std::size_t>(file_.size(), 32));
    throw format_error(path_ + ": " + error_name + ": " + what + (advice.empty() ? foreign_format(head) : advice));
  }
  [[noreturn]] void bad_header(const std::string& what) const { fail("InvalidHeaderDeserialization", what); }

  std::vector<std::uint64_t> numbers(const json& entry, const std::string& name, const char* key) const {
    const auto* list = member(entry, key);
    if (!list || !list->is_array()) bad_header("tensor '" + name + "' has no list '" + key + "'");
    std::vector<std::uint64_t> values;
    for (const auto& v : *list) {
      if (!v.is_number_unsigned())
        bad_header("tensor '" + name + "' has " + v.dump() + " in '" + key + "'; expected integers from 0 to 2^64 - 1");
      values.push_back(v.get<std::uint64_t>());
    }
    return values;
  }

  void read_header(std::string_view text) {
    const json header = parse_json(text, path_ + ": InvalidHeaderDeserialization");
    if (!header.is_object()) bad_header("the header is not a JSON object");
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__" && entry.is_null()) continue;
      if (!entry.is_object()) bad_header("the entry '" + name + "' is not an object");
      if (name == "__metadata__") {
        for (const auto& [key, value] : entry.items()) {
          if (!value.is_string()) bad_header("the metadata '" + key + "' is " + value.dump() + "; expected a string");
          metadata[key] = value.get<std::string>();
        }
        continue;
      }
      const auto* dtype = member(entry, "dtype");
      if (!dtype || !dtype->is_string()) bad_header("tensor '" + name + "' has no text 'dtype'");
      const auto type = parse_dtype(dtype->get_ref<const std::string&>());
      if (!type) bad_header("tensor '" + name + "' has the unknown dtype " + dtype->dump());
      auto dims = numbers(entry, name, "shape");
      const auto offsets = numbers(entry, name, "data_offsets");
      if (offsets.size() != 2)
        bad_header("tensor '" + name + "' has " + std::to_string(offsets.size()) + " data_offsets; expected 2");
      entries_.push_back(
          Entry{.name = name, .dtype = *type, .dims = std::move(dims), .begin = offsets[0], .end = offsets[1]});
    }
    const auto order = sorted_indices(entries_.size(), [&](std::size_t i, std::size_t j) {
      const Entry &a = entries_[i], &b = entries_[j];
      return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
    });
    entries_ = reordered(std::move(entries_), order);
  }

  Shape shape_of_entry(const Entry& e) const {
    Shape shape;
    if (e.dims.size() > Shape::max_rank)
      fail("UnsupportedRank", "tensor '" + e.name + "' has " + std::to_string(e.dims.size()) +
                                  " dimensions; this library supports at most 8");
    for (auto d : e.dims) {
      if (d > std::uint64_t(INT64_MAX)) fail("ValidationOverflow", "tensor '" + e.name + "' has a dimension over 2^63");
      shape.push_back(std::int64_t(d));
    }
    return shape;
  }

  static std::string range_of(const Entry& e) {
    return std::string("[").append(std::to_string(e.begin)).append(", ").append(std::to_string(e.end)).append("]");
  }

  /// `before` is the tensor in front of it, which ends at `at`.
  [[noreturn]] void bad_offset(const Entry& e, std::uint64_t at, const Entry* before) const {
    std::string what = "tensor '" + e.name + "' has data_offsets " + range_of(e) + "; expected to begin at ";
    what.append(std::to_string(at)).append(" (no gap, no overlap)");
    if (!before || e.begin >= at || e.end < e.begin) fail("InvalidOffset", what);
    fail("InvalidOffset", what + ", behind tensor '" + before->name + "' with " + range_of(*before),
         "; tensors of one file share no bytes: of tied weights keep one name, or save the other as a copy of its own");
  }

  void place(std::uint64_t buffer) {
    std::uint64_t at = 0;
    const Entry* before = nullptr;
    for (const auto& e : entries_) {
      if (e.begin != at || e.end < e.begin) bad_offset(e, at, before);
      before = &e;
      at = e.end;
      std::uint64_t size = 1;
      bool overflow = false;
      for (auto d : e.dims) overflow |= __builtin_mul_overflow(size, d, &size);
      overflow |= __builtin_mul_overflow(size, std::uint64_t(bits(e.dtype)), &size);
      if (overflow) fail("ValidationOverflow", "the size of tensor '" + e.name + "' overflows 64 bits");
      if (size % 8)
        fail("MisalignedSlice", "tensor '" + e.name + "' has " + std::to_string(size) + " bits; expected whole bytes");
      const Shape shape = shape_of_entry(e);
      if (e.end - e.begin != size / 8)
        fail("TensorInvalidInfo", "tensor '" + e.name + "' of type " + std::string(modelgrow::name(e.dtype)) +
                                      " and shape " + to_string(shape) + " needs " + std::to_string(size / 8) +
                                      " bytes; its data_offsets " + range_of(e) + " hold " +
                                      std::to_string(e.end - e.begin));
      tensors.push_back(TensorView{.name = e.name, .dtype = e.dtype, .shape = shape, .bytes = std::size_t(size / 8)});
    }
    if (at != file_.size() - buffer)
      fail("MetadataIncompleteBuffer", "the tensors need " + std::to_string(at) + " bytes, the file has " +
                                           std::to_string(file_.size() - buffer) + " after the header");
    const std::byte* data = file_.data() + buffer;
    for (auto& t : tensors) t.data = std::exchange(data, data + t.bytes);
  }

  std::span<const std::byte> file_;
  std::string path_;
  std::vector<Entry> entries_;
};

}  // namespace detail

MODELGROW_INLINE Safetensors Safetensors::open(const std::filesystem::path& path) {
  auto mapping = std::make_shared<detail::Mapping>(path);
  detail::SafetensorsParser parser(mapping->bytes(), path.string());
  return {path, std::move(parser.metadata), std::move(parser.tensors), {std::move(mapping)}};
}

}  // namespace modelgrow::inline v0
