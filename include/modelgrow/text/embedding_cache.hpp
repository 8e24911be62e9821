// SPDX-License-Identifier: MIT
// States of captions, encoded once into a safetensors file and read by mapping: any caption of the file by its text.
#pragma once
#include <unordered_map>

#include <modelgrow/text/caption_states.hpp>
#include <modelgrow/text/prompt_manifest_json.hpp>

namespace modelgrow::inline v0 {

/// A mapped file of "states" [tokens, width] (F32, F16 or BF16), "begins" I64 [captions + 1], the bytes of all captions
/// "captions" U8 and where each begins, "caption_begins" I64 [captions + 1]; the manifest lies in the metadata. Copies
/// share the mapping.
class EmbeddingCache {
 public:
  /// Keys of the metadata; the first holds the version of the layout.
  static constexpr const char* version_key = "modelgrow.embedding_cache";
  static constexpr const char* manifest_key = "manifest";
  static constexpr const char* hash_key = "manifest_hash";
  static constexpr const char* version = "1";

  /// Maps a cache and checks everything but the states themselves. Throws io_error, or format_error for files that are
  /// no cache or damaged.
  static EmbeddingCache open(const std::filesystem::path& path) { return EmbeddingCache(Safetensors::open(path)); }
  /// As open(), and throws format_error that names what differs when the states were made by another manifest.
  static EmbeddingCache open(const std::filesystem::path& path, const PromptManifest& manifest) {
    EmbeddingCache cache = open(path);
    if (const auto different = differences(cache.manifest(), manifest); !different.empty())
      throw format_error(path.string() + ": these states were made by another prompt manifest: " + different +
                         "; encode the captions again into another file");
    return cache;
  }

  const PromptManifest& manifest() const { return content_->manifest; }
  const std::filesystem::path& path() const { return file_.path(); }
  std::int64_t count() const { return std::int64_t(content_->captions.size()); }
  std::int64_t tokens() const { return content_->begins.back(); }
  std::int64_t width() const { return content_->states->shape[1]; }
  DType dtype() const { return content_->states->dtype; }
  /// The texts, in file order; they live as long as the cache.
  const std::vector<std::string_view>& captions() const { return content_->captions; }
  bool contains(std::string_view caption) const { return content_->index.contains(caption); }
  /// Number of states of caption i.
  std::int64_t length(std::int64_t i) const {
    return content_->begins[std::size_t(i + 1)] - content_->begins[std::size_t(i)];
  }
  /// The stored states [length(i), width()] of caption i.
  std::span<const std::byte> rows(std::int64_t i) const {
    const auto row = std::size_t(width()) * std::size_t(bits(dtype())) / 8;
    return content_->states->span().subspan(std::size_t(content_->begins[std::size_t(i)]) * row,
                                            std::size_t(length(i)) * row);
  }

  /// Padded states of captions as a video model takes them, converted from the mapping. Throws format_error that names
  /// a caption that is not there.
  template <Element T = float>
  PaddedStates<T> states(std::span<const std::string> captions) const {
    std::vector<std::int64_t> which, lengths;
    for (const auto& caption : captions) {
      which.push_back(index_of(caption));
      lengths.push_back(length(which.back()));
    }
    PaddedStates<T> all(lengths, width(), manifest());
    for (std::size_t i = 0; i < which.size(); ++i) all.set(i, dtype(), rows(which[i]).data(), lengths[i]);
    return all;
  }
  /// The same one behind the other, without spans (CaptionEncoder::spans() knows them).
  CaptionStates unpadded(std::span<const std::string> captions) const {
    CaptionStates all;
    std::vector<std::int64_t> which;
    for (const auto& caption : captions) {
      which.push_back(index_of(caption));
      all.begins.push_back(all.begins.back() + length(which.back()));
    }
    all.states = Tensor<float, Cpu>({all.begins.back(), width()});
    for (std::size_t i = 0; i < which.size(); ++i)
      convert(dtype(), rows(which[i]).data(), DType::f32,
              reinterpret_cast<std::byte*>(all.states.data() + all.begins[i] * width()), length(which[i]) * width());
    return all;
  }

 private:
  struct Content {
    PromptManifest manifest;
    const TensorView* states = nullptr;
    std::vector<std::int64_t> begins;
    std::vector<std::string_view> captions;
    std::unordered_map<std::string_view, std::int64_t> index;
  };

  explicit EmbeddingCache(Safetensors file) : file_(std::move(file)) {
    Content c;
    c.manifest = read_manifest();
    c.states = &tensor("states", 2);
    if (!is_arithmetic_float(c.states->dtype) || c.states->dtype == DType::f64)
      fail("tensor 'states' has type " + std::string(name(c.states->dtype)) + "; expected F32, F16 or BF16");
    c.begins = offsets("begins", c.states->shape[0], 1);
    const TensorView& text = tensor("captions", 1, DType::u8);
    const auto text_begins = offsets("caption_begins", text.shape[0], 0);
    if (text_begins.size() != c.begins.size())
      fail("'begins' is of " + std::to_string(c.begins.size() - 1) + " captions, 'caption_begins' of " +
           std::to_string(text_begins.size() - 1));
    const auto* const bytes = reinterpret_cast<const char*>(text.data);
    for (std::size_t i = 0; i + 1 < c.begins.size(); ++i) {
      const std::string_view caption(bytes + text_begins[i], std::size_t(text_begins[i + 1] - text_begins[i]));
      if (!detail::is_utf8(caption)) fail("caption " + std::to_string(i) + " is not UTF-8");
      if (!c.index.emplace(caption, std::int64_t(i)).second)
        fail("the caption '" + std::string(caption) + "' is there twice");
      if (const auto n = c.begins[i + 1] - c.begins[i]; n > c.manifest.max_length)
        fail("the caption '" + std::string(caption) + "' has " + std::to_string(n) +
             " states; the manifest keeps up to " + std::to_string(c.manifest.max_length));
      c.captions.push_back(caption);
    }
    content_ = std::make_shared<const Content>(std::move(c));
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw format_error(path().string() + ": " + what + ": the file is no embedding cache or is altered; encode the " +
                       "captions again");
  }
  PromptManifest read_manifest() const {
    const auto entry = [&](const char* key) -> const std::string& {
      const auto it = file_.metadata().find(key);
      if (it == file_.metadata().end()) fail("there is no metadata '" + std::string(key) + "'");
      return it->second;
    };
    if (const auto& v = entry(version_key); v != version) fail("the layout has version '" + v + "'; expected '1'");
    auto manifest = parse_prompt_manifest(entry(manifest_key), path().string() + ": manifest");
    if (const auto& found = entry(hash_key); found != hex_digits(hash(manifest)))
      fail("the hash of the manifest is " + hex_digits(hash(manifest)) + "; the metadata say " + found);
    return manifest;
  }
  const TensorView& tensor(const char* name, int rank) const {
    const TensorView* t = file_.find(name);
    if (!t) fail("there is no tensor '" + std::string(name) + "'");
    if (t->shape.rank() != rank)
      fail("tensor '" + std::string(name) + "' is " + to_string(t->shape) + "; expected rank " + std::to_string(rank));
    return *t;
  }
  const TensorView& tensor(const char* name, int rank, DType dtype) const {
    const TensorView& t = tensor(name, rank);
    if (t.dtype != dtype)
      fail("tensor '" + std::string(name) + "' has type " + std::string(modelgrow::name(t.dtype)) + "; expected " +
           std::string(modelgrow::name(dtype)));
    return t;
  }
  /// Offsets from 0 to `end` that grow by `step` or more.
  std::vector<std::int64_t> offsets(const char* name, std::int64_t end, std::int64_t step) const {
    const TensorView& t = tensor(name, 1, DType::i64);
    std::vector<std::int64_t> values(std::size_t(t.shape[0]));
    if (!values.empty()) std::memcpy(values.data(), t.data, t.bytes);
    const std::string what = "tensor '" + std::string(name) + "' ";
    if (values.empty() || values.front() != 0 || values.back() != end)
      fail(what +
           (values.empty() ? "is empty"
                           : "goes from " + std::to_string(values.front()) + " to " + std::to_string(values.back())) +
           "; expected 0 to " + std::to_string(end));
    for (std::size_t i = 1; i < values.size(); ++i)
      if (values[i] < values[i - 1] || values[i] - values[i - 1] < step)
        fail(what + "goes from " + std::to_string(values[i - 1]) + " to " + std::to_string(values[i]) + " at " +
             std::to_string(i) + "; expected " + (step ? "a larger offset" : "an offset that is not smaller"));
    return values;
  }
  std::int64_t index_of(const std::string& caption) const {
    if (const auto it = content_->index.find(caption); it != content_->index.end()) return it->second;
    throw format_error(path().string() + ": there are no states of the caption '" + caption +
                       "': put it into a file, one caption a line, and add it with `encode --model " +
                       manifest().language_model + " --captions FILE --out " + path().string() + "`");
  }

  Safetensors file_;
  std::shared_ptr<const Content> content_;
};

}  // namespace modelgrow::inline v0
