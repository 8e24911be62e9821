// SPDX-License-Identifier: MIT
// Captions into an embedding cache: what a file lacks is found first, then computed, and the file replaced at once.
#pragma once
#include <optional>
#include <unordered_set>

#include <modelgrow/checkpoint/writer.hpp>
#include <modelgrow/core/progress.hpp>
#include <modelgrow/text/caption_encoder.hpp>
#include <modelgrow/text/embedding_cache.hpp>

namespace modelgrow::inline v0 {

/// The captions that a file lacks. Nothing is computed or written before write().
template <Device D>
class EmbeddingCacheUpdate {
 public:
  /// Compares captions, and the null prompt of the manifest, with the file if it exists. Without `dtype` the file keeps
  /// its type; a new one has BF16. Throws format_error: captions that are not UTF-8 or are refused for their length, a
  /// file of another manifest or type, a type that is not F32, F16 or BF16.
  EmbeddingCacheUpdate(CaptionEncoder<D> encoder, std::span<const std::string> captions, std::filesystem::path path,
                       std::optional<DType> dtype = {})
      : encoder_(std::move(encoder)), path_(std::move(path)) {
    if (std::error_code ignored; std::filesystem::exists(path_, ignored))
      old_ = EmbeddingCache::open(path_, encoder_.manifest());
    dtype_ = dtype.value_or(old_ ? old_->dtype() : DType::bf16);
    if (!is_arithmetic_float(dtype_) || dtype_ == DType::f64)
      throw format_error("a cache cannot have type " + std::string(name(dtype_)) + "; choose BF16, F16 or F32");
    if (old_ && old_->dtype() != dtype_)
      throw format_error(path_.string() + ": the states have type " + std::string(name(old_->dtype())) + ", not " +
                         std::string(name(dtype_)) + ": add to them in that type, or write another file");
    std::unordered_set<std::string_view> seen;
    const auto add = [&](const std::string& caption) {
      if (!seen.insert(caption).second || (old_ && old_->contains(caption))) return;
      begins_.push_back(begins_.back() + encoder_.tokens(caption).kept());
      missing_.push_back(caption);
    };
    for (const auto& caption : captions) add(caption);
    add(encoder_.manifest().null_prompt);
  }

  /// The captions to encode.
  const std::vector<std::string>& missing() const { return missing_; }
  /// Their states.
  std::int64_t missing_tokens() const { return begins_.back(); }
  /// Of the file afterwards.
  std::int64_t count() const { return kept() + std::int64_t(missing_.size()); }
  std::int64_t tokens() const { return (old_ ? old_->tokens() : 0) + missing_tokens(); }
  std::uint64_t state_bytes() const {
    return std::uint64_t(tokens()) * std::uint64_t(encoder_.width()) * std::uint64_t(bits(dtype_)) / 8;
  }
  DType dtype() const { return dtype_; }

  /// Encodes what is missing, about `at_once` states in memory at a time, and puts the file in place, all or nothing; a
  /// file that lacks nothing is left alone. Throws io_error, and format_error for states that the type cannot hold.
  void write(const Progress& progress = {}, std::int64_t at_once = 16384) const {
    if (missing_.empty()) return;
    const auto manifest = to_json(encoder_.manifest());
    const auto begins = all_begins();
    const auto [text, text_begins] = all_captions();
    const auto n = std::int64_t(begins.size());
    SafetensorsWriter file(path_,
                           {NamedShape{.name = "states", .dtype = dtype_, .shape = {tokens(), encoder_.width()}},
                            NamedShape{.name = "begins", .dtype = DType::i64, .shape = {n}},
                            NamedShape{.name = "caption_begins", .dtype = DType::i64, .shape = {n}},
                            NamedShape{.name = "captions", .dtype = DType::u8, .shape = {std::int64_t(text.size())}}},
                           {{EmbeddingCache::version_key, EmbeddingCache::version},
                            {EmbeddingCache::manifest_key, manifest},
                            {EmbeddingCache::hash_key, hex_digits(hash(encoder_.manifest()))}});
    file.write("begins", std::as_bytes(std::span(begins)));
    file.write("caption_begins", std::as_bytes(std::span(text_begins)));
    file.write("captions", std::as_bytes(std::span(text)));
    for (std::int64_t i = 0; i < kept(); ++i) file.write("states", old_->rows(i));
    std::vector<std::byte> bytes;
    for (std::size_t from = 0; from < missing_.size();) {
      std::size_t to = from + 1;
      while (to < missing_.size() && begins_[to + 1] - begins_[from] <= at_once) ++to;
      const auto part = std::span(missing_).subspan(from, to - from);
      const CaptionStates states = encoder_.encode(part);
      check_range(states, part);
      bytes.resize(std::size_t(states.states.size()) * std::size_t(bits(dtype_)) / 8);
      convert(DType::f32, reinterpret_cast<const std::byte*>(states.states.data()), dtype_, bytes.data(),
              states.states.size());
      file.write("states", bytes);
      from = to;
      if (progress) progress({.what = "encode", .done = begins_[from], .total = missing_tokens()});
    }
    file.commit();
  }

 private:
  std::int64_t kept() const { return old_ ? old_->count() : 0; }
  std::vector<std::int64_t> all_begins() const {
    std::vector<std::int64_t> all{0};
    for (std::int64_t i = 0; i < kept(); ++i) all.push_back(all.back() + old_->length(i));
    for (std::size_t i = 0; i < missing_.size(); ++i) all.push_back(all.back() + begins_[i + 1] - begins_[i]);
    return all;
  }
  std::pair<std::string, std::vector<std::int64_t>> all_captions() const {
    std::string text;
    std::vector<std::int64_t> begins{0};
    const auto add = [&](std::string_view caption) { begins.push_back(std::int64_t(text.append(caption).size())); };
    for (std::int64_t i = 0; i < kept(); ++i) add(old_->captions()[std::size_t(i)]);
    for (const auto& caption : missing_) add(caption);
    return {text, begins};
  }
  void check_range(const CaptionStates& states, std::span<const std::string> captions) const {
    const float most = dtype_ == DType::f16 ? 65504.0f : std::numeric_limits<float>::max();
    for (std::size_t i = 0; i < captions.size(); ++i)
      for (const float x : states.caption(std::int64_t(i)))
        if (!(std::abs(x) <= most))
          throw format_error("a state of the caption '" + captions[i] + "' is " + std::to_string(x) + "; " +
                             std::string(name(dtype_)) + " holds numbers up to " + std::to_string(most) +
                             (dtype_ == DType::f16 ? ": choose BF16, or normalise the states"
                                                   : ": are the weights of the language model sound?"));
  }

  CaptionEncoder<D> encoder_;
  std::filesystem::path path_;
  std::optional<EmbeddingCache> old_;
  DType dtype_ = DType::bf16;
  std::vector<std::string> missing_;
  std::vector<std::int64_t> begins_{0};
};

}  // namespace modelgrow::inline v0
