// SPDX-License-Identifier: MIT
// The BPE tokenizer in a tokenizer.json (huggingface/tokenizers): of bytes (GPT-2, Llama 3, Qwen), or of characters
// with marks for spaces (SentencePiece: Llama 2, Mistral).
#pragma once
#include <modelgrow/text/bpe_tokenizer.hpp>
#include <modelgrow/text/tokenizer_json.hpp>

namespace modelgrow::inline v0 {

namespace detail {

class BpeJson {
 public:
  explicit BpeJson(TokenizerJson file) : file_(std::move(file)), model_(file_.member(file_.root(), "model")) {}

  BpeTokenizer::Parts parts() {
    if (const json& type = file_.member(model_, "type"); type != "BPE")
      file_.fail("the tokenizer is of type " + type.dump() + "; expected \"BPE\"");
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"})
      if (const json& v = file_.member(model_, key); !v.is_null() && v != "") refuse(key, v);
    if (const json& v = file_.member(model_, "dropout"); !v.is_null() && v != 0.0) refuse("dropout", v);
    std::vector<Normaliser::Step> steps;
    add_steps(file_.member(file_.root(), "normalizer"), steps);
    std::vector<RegexSplit> splits;
    add_splits(file_.member(file_.root(), "pre_tokenizer"), splits);
    const bool marked = metaspace_ || std::any_of(steps.begin(), steps.end(), [](const auto& s) {
                          return s.kind == Normaliser::Step::Kind::replace && s.from == " " && s.to == space_mark;
                        });
    if (byte_level_ == marked)
      file_.fail(byte_level_ ? "the tokenizer has a ByteLevel step and marks for spaces, which exclude each other"
                             : "the pre-tokenizer has no ByteLevel step, and spaces do not become marks (Metaspace): "
                               "this is neither byte-level BPE nor that of SentencePiece");
    const bool spell = file_.flag(model_, "byte_fallback", false);
    if (byte_level_ && spell) refuse("byte_fallback", true);

    const json& list = file_.member(model_, "merges");
    if (!list.is_array()) file_.fail("the tokenizer has no merges ('model.merges' is not a list)");
    std::vector<std::string> keep(list.size());  // what the merges point to
    std::vector<BpeMerge> merges;
    for (std::size_t i = 0; i < list.size(); ++i) {
      const auto [left, right] = merge(list[i], keep[i]);
      merges.push_back({.left = left, .right = right, .rank = std::int32_t(i)});
    }

    std::optional<std::int32_t> unknown;
    auto tokens = file_.vocabulary(file_.member(model_, "vocab"));
    if (const json& token = file_.member(model_, "unk_token"); !token.is_null()) {
      const auto it = std::find(tokens.begin(), tokens.end(), file_.text(model_, "unk_token"));
      if (it == tokens.end()) file_.fail("the unk_token " + token.dump() + " is not in the vocabulary");
      unknown = std::int32_t(it - tokens.begin());
    }
    const std::size_t count = tokens.size();
    AddedTokens added(file_.added_tokens());
    auto around = file_.around(count, added);
    const Bpe::Options options{
        .symbols = byte_level_ ? Bpe::Symbols::bytes : Bpe::Symbols::characters,
        .fallback = spell ? Bpe::ByteFallback::spell : Bpe::ByteFallback::omit,
        .whole = file_.flag(model_, "ignore_merges", false) ? Bpe::WholePieces::take : Bpe::WholePieces::merge,
        .unknowns = file_.flag(model_, "fuse_unk", false) ? Bpe::Unknowns::fused : Bpe::Unknowns::single,
        .unknown = unknown};
    return {.bpe = Bpe(std::move(tokens), merges, options, file_.path()),
            .normaliser = Normaliser(std::move(steps)),
            .splits = std::move(splits),
            .metaspace = metaspace_,
            .added = std::move(added),
            .around = std::move(around)};
  }

 private:
  [[noreturn]] void refuse(const char* key, const json& value) const {
    file_.fail("this tokenizer has '" + std::string(key) + "': " + value.dump() +
               ", which this library cannot tokenize");
  }
  /// "left right" or ["left", "right"].
  std::pair<std::string_view, std::string_view> merge(const json& entry, std::string& keep) const {
    if (entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string())
      return {entry[0].get_ref<const std::string&>(), entry[1].get_ref<const std::string&>()};
    if (entry.is_string()) {
      keep = entry.get<std::string>();
      if (const auto space = keep.find(' ', 1); space != keep.npos)
        return {std::string_view(keep).substr(0, space), std::string_view(keep).substr(space + 1)};
    }
    file_.fail("the merge " + entry.dump() + " is neither \"left right\" nor [\"left\", \"right\"]");
  }
  void add_steps(const json& step, std::vector<Normaliser::Step>& steps) {
    if (step.is_null()) return;
    using Kind = Normaliser::Step::Kind;
    const std::string type = file_.text(step, "type");
    const json& pattern = file_.member(step, "pattern");
    if (type == "Sequence") {
      for (const auto& part : file_.member(step, "normalizers")) add_steps(part, steps);
    } else if (type == "NFC") {
      steps.push_back({.kind = Kind::nfc});
    } else if (type == "Prepend") {
      steps.push_back({.kind = Kind::prepend, .from = {}, .to = file_.text(step, "prepend")});
    } else if (type == "Replace" && file_.member(pattern, "String").is_string() && pattern["String"] != "") {
      steps.push_back(
          {.kind = Kind::replace, .from = file_.text(pattern, "String"), .to = file_.text(step, "content")});
    } else {
      refuse("normalizer", step);
    }
  }
  Metaspace metaspace(const json& step) const {
    if (const std::string mark = file_.text(step, "replacement"); mark != space_mark)
      refuse("replacement", file_.member(step, "replacement"));
    Metaspace m;
    std::string before = file_.flag(step, "add_prefix_space", true) ? "always" : "never";  // before tokenizers 0.15
    if (!file_.member(step, "prepend_scheme").is_null()) before = file_.text(step, "prepend_scheme");
    if (before == "first")
      m.before = Metaspace::Before::first;
    else if (before == "never")
      m.before = Metaspace::Before::never;
    else if (before != "always")
      refuse("prepend_scheme", before);
    if (!file_.flag(step, "split", true)) m.split = Metaspace::Split::no;
    return m;
  }
  void add_splits(const json& step, std::vector<RegexSplit>& splits) {
    if (step.is_null()) return;
    const std::string type = file_.text(step, "type");
    if (type == "Sequence") {
      for (const auto& part : file_.member(step, "pretokenizers")) add_splits(part, splits);
    } else if (type == "Digits") {
      splits.emplace_back(
          file_.flag(step, "individual_digits", false) ? std::string(single_number) : std::string(single_number) + "+",
          file_.path());
    } else if (type == "Metaspace" && !metaspace_ && splits.empty()) {
      metaspace_ = metaspace(step);
    } else if (type == "ByteLevel") {
      byte_level_ = true;
      if (file_.flag(step, "add_prefix_space", true)) refuse("add_prefix_space", true);
      if (file_.flag(step, "use_regex", true)) splits.emplace_back(gpt2_pattern, file_.path());
    } else if (type == "Split") {
      if (file_.text(step, "behavior") != "Isolated") refuse("behavior", file_.member(step, "behavior"));
      if (file_.flag(step, "invert", false)) refuse("invert", true);
      const json& pattern = file_.member(step, "pattern");
      if (file_.member(pattern, "Regex").is_null())
        splits.emplace_back(RegexSplit::literal(file_.text(pattern, "String")), file_.path());
      else
        splits.emplace_back(file_.text(pattern, "Regex"), file_.path());
    } else {
      refuse("pre_tokenizer", step);
    }
  }

  TokenizerJson file_;
  const json& model_;
  bool byte_level_ = false;
  std::optional<Metaspace> metaspace_;
};

}  // namespace detail

/// Throws io_error when the file cannot be read; format_error when it is damaged, has no merges, or says something that
/// this library would tokenize differently.
inline BpeTokenizer bpe_from_json(const std::filesystem::path& path) {
  return BpeTokenizer(detail::BpeJson(detail::TokenizerJson(path)).parts());
}

}  // namespace modelgrow::inline v0
