// SPDX-License-Identifier: MIT
// The byte-level BPE tokenizer in a tokenizer.json (huggingface/tokenizers).
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
    if (file_.flag(model_, "byte_fallback", false)) refuse("byte_fallback", true);
    if (const json& n = file_.member(file_.root(), "normalizer"); !n.is_null()) refuse("normalizer", n);

    const json& list = file_.member(model_, "merges");
    if (!list.is_array()) file_.fail("the tokenizer has no merges ('model.merges' is not a list)");
    std::vector<std::string> keep(list.size());  // what the merges point to
    Bpe::Merges merges;
    for (std::size_t i = 0; i < list.size(); ++i) merges.push_back(merge(list[i], keep[i]));

    std::optional<std::int32_t> unknown;
    auto tokens = file_.vocabulary(file_.member(model_, "vocab"));
    if (const json& token = file_.member(model_, "unk_token"); !token.is_null()) {
      const auto it = std::find(tokens.begin(), tokens.end(), file_.text(model_, "unk_token"));
      if (it == tokens.end()) file_.fail("the unk_token " + token.dump() + " is not in the vocabulary");
      unknown = std::int32_t(it - tokens.begin());
    }
    const auto whole = file_.flag(model_, "ignore_merges", false) ? Bpe::WholePieces::take : Bpe::WholePieces::merge;
    BpeTokenizer::Parts parts{.bpe = Bpe(std::move(tokens), merges, whole, unknown, file_.path()),
                              .splits = {},
                              .added = AddedTokens(file_.added_tokens()),
                              .around = {}};
    parts.around = file_.around(parts.bpe.tokens().size(), parts.added);
    add_splits(file_.member(file_.root(), "pre_tokenizer"), parts.splits);
    if (!byte_level_) file_.fail("the pre-tokenizer has no ByteLevel step: this is not byte-level BPE");
    return parts;
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
  void add_splits(const json& step, std::vector<RegexSplit>& splits) {
    if (step.is_null()) return;
    const std::string type = file_.text(step, "type");
    if (type == "Sequence") {
      for (const auto& part : file_.member(step, "pretokenizers")) add_splits(part, splits);
    } else if (type == "Digits") {
      splits.emplace_back(
          file_.flag(step, "individual_digits", false) ? std::string(single_number) : std::string(single_number) + "+",
          file_.path());
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
};

}  // namespace detail

/// Throws io_error when the file cannot be read; format_error when it is damaged, has no merges, or says something that
/// this library would tokenize differently.
inline BpeTokenizer bpe_from_json(const std::filesystem::path& path) {
  return BpeTokenizer(detail::BpeJson(detail::TokenizerJson(path)).parts());
}

}  // namespace modelgrow::inline v0
