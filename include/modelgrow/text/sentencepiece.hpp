// SPDX-License-Identifier: MIT
// The unigram tokenizer of T5 and umT5 through the sentencepiece library: spiece.model.
#pragma once
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include <sentencepiece_processor.h>

#include <modelgrow/text/tokenizer.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Whether a serialised ModelProto says trainer_spec (2) . model_type (3) = BPE (2), as those of Llama and Mistral do.
inline bool is_sentencepiece_bpe(std::string_view bytes) {
  std::size_t at = 0;
  const auto varint = [&] {
    std::uint64_t n = 0;
    for (int shift = 0; at < bytes.size() && shift < 64; shift += 7) {
      const auto b = static_cast<unsigned char>(bytes[at++]);
      n |= std::uint64_t(b & 0x7F) << shift;
      if (b < 0x80) break;
    }
    return n;
  };
  bool inside = false;  // of trainer_spec
  for (std::size_t end = bytes.size(); at < end;) {
    const auto field = varint();
    const auto value = (field & 7) == 0 || (field & 7) == 2 ? varint() : 0;
    if (inside && field == (3 << 3)) return value == 2;
    if (!inside && field == (2 << 3 | 2)) {
      inside = true;
      end = std::min(end, at + std::size_t(std::min<std::uint64_t>(value, bytes.size())));
      continue;
    }
    const std::uint64_t skip = (field & 7) == 2 ? value : (field & 7) == 1 ? 8 : (field & 7) == 5 ? 4 : 0;
    if (skip > bytes.size() - at) return false;
    at += std::size_t(skip);
  }
  return false;
}

}  // namespace detail

/// A sentencepiece model. encode() puts the end of sequence behind a text and nothing before it, as T5 does; the
/// <extra_id_...> that T5 adds to its vocabulary are not tokens here.
class SentencePieceTokenizer : public Tokenizer {
 public:
  /// Throws io_error when the file cannot be read, format_error when it is no sentencepiece model, or one of the BPE
  /// that Llama and Mistral use.
  explicit SentencePieceTokenizer(const std::filesystem::path& path) : SentencePieceTokenizer(load(path)) {}

  std::int64_t vocabulary() const override { return processor_->GetPieceSize(); }
  std::optional<std::int32_t> find(std::string_view token) const override {
    const int id = processor_->PieceToId(token);
    return processor_->IdToPiece(id) == token ? std::optional(id) : std::nullopt;
  }
  std::string decode(std::span<const std::int32_t> ids) const override {
    for (auto id : ids) check_id(id);
    std::string text;
    check(processor_->Decode(std::vector<int>(ids.begin(), ids.end()), &text), "decoding");
    return text;
  }

 protected:
  void tokenize(std::string_view text, Tokens& tokens) const override {
    sentencepiece::ImmutableSentencePieceText pieces;
    check(processor_->Encode(text, pieces.mutable_proto()), "encoding");
    for (const auto& piece : pieces.pieces())
      tokens.push(std::int32_t(piece.id()), {.begin = piece.begin(), .end = piece.end()});
  }

 private:
  using Processor = std::unique_ptr<sentencepiece::SentencePieceProcessor>;
  explicit SentencePieceTokenizer(Processor p)
      : Tokenizer({.before = {}, .after = p->eos_id() < 0 ? std::vector<std::int32_t>() : std::vector{p->eos_id()}}),
        processor_(std::move(p)) {}

  static void check(const sentencepiece::util::Status& status, const std::string& what) {
    if (!status.ok()) throw error(what + " with sentencepiece failed: " + status.ToString());
  }
  static Processor load(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) throw io_error("cannot read '" + path.string() + "': is this the spiece.model of the text encoder?");
    const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    auto processor = std::make_unique<sentencepiece::SentencePieceProcessor>();
    if (const auto status = processor->LoadFromSerializedProto(bytes); !status.ok())
      throw format_error(path.string() + ": this is no sentencepiece model: " + status.ToString());
    if (detail::is_sentencepiece_bpe(bytes))
      throw format_error(path.string() + ": this is a BPE model, as Llama and Mistral have, which does not say what " +
                         "stands around a text; expected a unigram model, as T5 has: give the tokenizer.json of the " +
                         "model (save_pretrained of transformers writes one)");
    return processor;
  }
  Processor processor_;
};

}  // namespace modelgrow::inline v0
