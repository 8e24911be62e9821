// SPDX-License-Identifier: MIT
// The definitions of gguf.hpp.
#pragma once
#include <bit>
#include <cctype>
#include <fstream>
#include <functional>

#include <modelgrow/checkpoint/gguf.hpp>
#include <modelgrow/checkpoint/gguf_parts.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/mmap.hpp>
#include <modelgrow/detail/utf8.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE QuantisedMatrix GgufTensor::matrix() const {
  const std::int64_t columns = shape.empty() ? 1 : shape.back();
  return {.type = type, .rows = columns ? numel(shape) / columns : 0, .columns = columns, .data = data.data()};
}

namespace detail {

/// Checks a whole file as the reference reader does, and what docs/gguf.md demands beyond it.
class GgufParser {
 public:
  std::uint32_t version = 0;
  GgufMetadata metadata;
  std::vector<GgufTensor> tensors;  // in file order
  std::map<std::string, std::size_t, std::less<>> index;

  /// Throws format_error "<path>: ...".
  GgufParser(std::span<const std::byte> file, std::string path) : metadata(path), file_(file), path_(std::move(path)) {
    read_head();
    for (std::int64_t i = 0; i < n_values_; ++i) read_value();
    const std::uint64_t alignment = read_alignment();
    for (std::int64_t i = 0; i < n_tensors_; ++i) read_tensor(alignment);
    place(alignment);
  }

  /// Takes the tensors of the next part of a split model.
  void append(const GgufParser& part) {
    for (const auto& t : part.tensors) {
      if (!index.emplace(t.name, tensors.size()).second) part.fail("tensor '" + t.name + "' is in another part, too");
      tensors.push_back(t);
    }
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw format_error(path_ + ": " + what); }

  // ---- bytes ----
  std::uint64_t left() const { return file_.size() - at_; }
  std::span<const std::byte> take(std::uint64_t n, const std::string& what) {
    if (n > left())
      fail(what + " needs " + std::to_string(n) + " bytes at offset " + std::to_string(at_) + ", the file has " +
           std::to_string(left()) + " more: it is truncated or altered; fetch it again");
    return file_.subspan(std::exchange(at_, at_ + n), n);
  }
  template <class T>
  T number(const std::string& what) {
    return load<T>(take(sizeof(T), what).data());
  }
  /// A name: u64 length and bytes, which must be UTF-8.
  std::string_view name(const std::string& what) {
    const auto bytes = take(number<std::uint64_t>(what), what);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (!is_utf8(text)) fail(what + " is not UTF-8");
    return text;
  }

  // ---- head ----
  void read_head() {
    const std::string_view head(reinterpret_cast<const char*>(file_.data()), std::min<std::size_t>(file_.size(), 32));
    if (!head.starts_with("GGUF"))
      fail(std::string("this is no GGUF file: it does not begin with \"GGUF\"") +
           (head.starts_with("version https://git-lfs")
                ? "; it is a Git LFS pointer: fetch the file itself with `git lfs pull`"
            : head.starts_with("PK\x03\x04") || head.starts_with("\x80\x02")
                ? "; it is a PyTorch pickle: convert it with convert_hf_to_gguf.py of llama.cpp"
            : head.starts_with("lmgg") || head.starts_with("tjgg") || head.starts_with("fmgg")
                ? "; it is a GGML file from before August 2023: fetch the model as GGUF"
                : "; fetch or convert it again"));
    at_ = 4;
    version = number<std::uint32_t>("the version");
    if (version != 0 && (version & 0xFFFF) == 0)
      fail("the file is big-endian, only little-endian files can be read: convert it with gguf_convert_endian.py");
    if (version < 2 || version > 3)
      fail("the file has GGUF version " + std::to_string(version) + "; expected 2 or 3: convert the model again");
    n_tensors_ = number<std::int64_t>("the number of tensors");
    n_values_ = number<std::int64_t>("the number of metadata values");
    // The shortest tensor info has 24 bytes, the shortest value 13.
    const auto check = [&](std::int64_t n, std::uint64_t shortest, const char* what) {
      if (n < 0 || std::uint64_t(n) > left() / shortest)
        fail("the file claims " + std::to_string(n) + " " + what + ", its " + std::to_string(file_.size()) +
             " bytes cannot hold them: it is truncated or altered; fetch it again");
    };
    check(n_tensors_, 24, "tensors");
    check(n_values_, 13, "metadata values");
  }

  // ---- metadata ----
  GgufType read_type(const std::string& what) {
    const auto type = number<std::uint32_t>(what);
    if (type > std::uint32_t(GgufType::f64)) fail(what + " has the unknown value type " + std::to_string(type));
    return GgufType(type);
  }
  void read_value() {
    const auto key = name("the name of a metadata value");
    const std::string what = "the metadata '" + std::string(key) + "'";
    GgufValue v{.type = read_type(what), .bytes = {}};
    if (v.type == GgufType::array) {
      v.is_array = true;
      v.type = read_type(what);
      if (v.type == GgufType::array) fail(what + " is an array of arrays, which GGUF readers do not accept");
      v.count = number<std::uint64_t>(what);
    }
    const std::uint64_t begin = at_;
    if (v.type == GgufType::string) {
      for (std::uint64_t i = 0; i < v.count; ++i) take(number<std::uint64_t>(what), what);
    } else {
      std::uint64_t size = 0;
      if (__builtin_mul_overflow(v.count, info(v.type).bytes, &size)) fail(what + " has more than 2^64 bytes");
      take(size, what);
    }
    v.bytes = file_.subspan(begin, at_ - begin);
    if (v.type == GgufType::boolean)
      for (auto b : v.bytes)
        if (b > std::byte{1}) fail(what + " has a bool that is neither 0 nor 1");
    if (!metadata.insert(key, v)) fail(what + " occurs twice");
  }
  std::uint64_t read_alignment() const {
    const auto* v = metadata.find("general.alignment");
    if (!v) return 32;
    if (v->is_array || v->type != GgufType::u32) fail("the metadata 'general.alignment' is not a u32");
    const auto alignment = load<std::uint32_t>(v->bytes.data());
    if (!std::has_single_bit(alignment))
      fail("the metadata 'general.alignment' is " + std::to_string(alignment) + "; expected a power of two");
    return alignment;
  }

  // ---- tensors ----
  static bool pad(std::uint64_t& n, std::uint64_t alignment) {
    if (__builtin_add_overflow(n, alignment - 1, &n)) return false;
    n &= ~(alignment - 1);
    return true;
  }
  void read_tensor(std::uint64_t alignment) {
    GgufTensor t{.name = std::string(name("the name of a tensor")), .shape = {}, .data = {}};
    const std::string what = "tensor '" + t.name + "'";
    if (t.name.size() >= 64) fail(what + " has a name of " + std::to_string(t.name.size()) + " bytes; at most 63");
    if (!index.emplace(t.name, tensors.size()).second) fail(what + " occurs twice");
    const auto rank = number<std::uint32_t>(what);
    if (rank > 4) fail(what + " has " + std::to_string(rank) + " dimensions; at most 4");
    std::int64_t sizes[4] = {1, 1, 1, 1}, elements = 1, product = 1;  // `product` counts a dimension of 0 as 1
    for (std::uint32_t i = 0; i < rank; ++i) {
      sizes[i] = number<std::int64_t>(what);
      if (sizes[i] < 0) fail(what + " has a dimension of " + std::to_string(sizes[i]));
      if (__builtin_mul_overflow(product, std::max<std::int64_t>(sizes[i], 1), &product))
        fail(what + " has more than 2^63 - 1 elements");
      elements *= sizes[i];
    }
    for (std::uint32_t i = rank; i-- > 0;) t.shape.push_back(sizes[i]);
    const auto* type = read_tensor_type(what);
    t.type = GgmlType(type->id);
    if (sizes[0] % type->elements)
      fail(what + " has rows of " + std::to_string(sizes[0]) + " elements; type " + std::string(type->name) +
           " needs a multiple of " + std::to_string(type->elements));
    if (std::int64_t room;
        __builtin_add_overflow(product / type->elements, 1, &room) || __builtin_mul_overflow(room, type->bytes, &room))
      fail(what + " has more than 2^63 - 1 bytes");
    const auto bytes = std::uint64_t(elements / type->elements * type->bytes);
    const auto offset = number<std::uint64_t>(what);
    if (offset != end_)
      fail(what + " begins at " + std::to_string(offset) + "; expected " + std::to_string(end_) +
           " (each tensor follows the one before, at a multiple of " + std::to_string(alignment) + ")");
    places_.push_back({offset, bytes});
    if (__builtin_add_overflow(end_, bytes, &end_) || !pad(end_, alignment)) fail(what + " ends beyond 2^64 bytes");
    tensors.push_back(std::move(t));
  }
  const GgmlTypeInfo* read_tensor_type(const std::string& what) {
    const auto id = number<std::uint32_t>(what);
    const auto* type = find_ggml_type(id);
    if (type && type->elements) return type;
    std::string readable;
    for (const auto& t : ggml_types)
      if (t.elements) readable += (readable.empty() ? "" : " ") + std::string(t.name);
    fail(what + " has the " + (type ? "type " + std::string(type->name) : "unknown type " + std::to_string(id)) +
         ", which cannot be read; take a file that is quantised with one of: " + readable);
  }
  void place(std::uint64_t alignment) {
    std::uint64_t data = at_;
    pad(data, alignment);  // the file is smaller than 2^63 bytes
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const auto [offset, bytes] = places_[i];
      if (data > file_.size() || offset > file_.size() - data || bytes > file_.size() - data - offset)
        fail("tensor '" + tensors[i].name + "' needs " + std::to_string(bytes) + " bytes at offset " +
             std::to_string(data) + " + " + std::to_string(offset) + ", the file has " + std::to_string(file_.size()) +
             ": it is truncated or altered; fetch it again");
      tensors[i].data = file_.subspan(data + offset, bytes);
    }
  }

  struct Place {
    std::uint64_t offset, bytes;
  };
  std::span<const std::byte> file_;
  std::string path_;
  std::uint64_t at_ = 0, end_ = 0;
  std::int64_t n_tensors_ = 0, n_values_ = 0;
  std::vector<Place> places_;
};

}  // namespace detail

MODELGROW_INLINE bool is_gguf(const std::filesystem::path& path) {
  std::string ending = path.extension().string();
  for (char& c : ending) c = char(std::tolower(static_cast<unsigned char>(c)));
  if (ending == ".gguf") return true;
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;
  char head[4] = {};
  return std::ifstream(path, std::ios::binary).read(head, 4) && std::string_view(head, 4) == "GGUF";
}

MODELGROW_INLINE Gguf Gguf::open(const std::filesystem::path& path) {
  Gguf g;
  g.path_ = path;
  const auto parse = [&](const std::filesystem::path& part) {
    g.parts_.push_back(std::make_shared<detail::Mapping>(part));
    return std::make_shared<detail::GgufParser>(g.parts_.back()->bytes(), part.string());
  };
  auto content = parse(path);
  const auto self = detail::GgufSplit::of(content->metadata, path.string());
  if (self.count > 1) {
    g.parts_.clear();
    for (std::int64_t i = 0; i < self.count; ++i) {
      const auto part = detail::gguf_part(path, self, i);
      if (std::error_code ignored; !std::filesystem::exists(part, ignored))
        throw io_error("cannot open '" + part.string() + "': it is missing beside '" + path.filename().string() +
                       "', " + self.text() + " of a split model; fetch all parts into one folder");
      const auto parsed = parse(part);
      const auto found = detail::GgufSplit::of(parsed->metadata, part.string());
      if (found.number != i || found.count != self.count)
        throw format_error(part.string() + ": the metadata call it " + found.text() + "; expected " +
                           detail::GgufSplit{.number = i, .count = self.count}.text() +
                           " by its name: fetch all parts of one model");
      if (i == 0)
        content = parsed;
      else
        content->append(*parsed);
    }
    const auto have = std::int64_t(content->tensors.size());
    if (const auto all = content->metadata.integer("split.tensors.count", have); all != have)
      throw format_error(path.string() + ": all parts should have " + std::to_string(all) +
                         " tensors ('split.tensors.count'); found " + std::to_string(have) +
                         ": fetch all parts of one model");
  }
  g.content_ = std::move(content);
  return g;
}

MODELGROW_INLINE std::uint32_t Gguf::version() const { return content_->version; }

MODELGROW_INLINE const GgufMetadata& Gguf::metadata() const { return content_->metadata; }

MODELGROW_INLINE const std::vector<GgufTensor>& Gguf::tensors() const { return content_->tensors; }

MODELGROW_INLINE void Gguf::release(const GgufTensor& tensor) const noexcept {
  for (const auto& part : parts_)
    if (const auto all = part->bytes(); std::less_equal<>()(all.data(), tensor.data.data()) &&
                                        std::less<>()(tensor.data.data(), all.data() + all.size()))
      part->release(tensor.data);
}

MODELGROW_INLINE const GgufTensor* Gguf::find(std::string_view name) const {
  const auto it = content_->index.find(name);
  return it == content_->index.end() ? nullptr : &tensors()[it->second];
}

MODELGROW_INLINE const GgufTensor& Gguf::at(std::string_view name) const {
  if (const auto* found = find(name)) return *found;
  std::vector<std::string_view> all;
  for (const auto& t : tensors()) all.push_back(t.name);
  throw format_error(path_.string() + ": there is no tensor '" + std::string(name) + "'" + nearest_names(name, all));
}

}  // namespace modelgrow::inline v0
