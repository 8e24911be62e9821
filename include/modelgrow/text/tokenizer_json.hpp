// SPDX-License-Identifier: MIT
// Reading tokenizer.json, the file of huggingface/tokenizers: what all kinds of tokenizers share in it. Whatever this
// library would tokenize differently is refused by name.
#pragma once
#include <filesystem>
#include <fstream>
#include <iterator>

#include <modelgrow/detail/json.hpp>
#include <modelgrow/text/added_tokens.hpp>

namespace modelgrow::inline v0::detail {

/// A parsed tokenizer.json; every error begins with its path.
class TokenizerJson {
 public:
  /// Throws io_error, or format_error.
  explicit TokenizerJson(const std::filesystem::path& path) : path_(path.string()) {
    std::ifstream in(path, std::ios::binary);
    if (!in) throw io_error("cannot read '" + path_ + "': is this the directory of the model?");
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    if (!is_utf8(text)) fail("the file is not UTF-8");
    root_ = parse_json(text, path_);
    if (!root_.is_object()) fail("the file is not a JSON object");
  }

  const json& root() const { return root_; }
  const std::string& path() const { return path_; }
  [[noreturn]] void fail(const std::string& what) const { throw format_error(path_ + ": " + what); }

  /// A member; null when it is absent.
  static const json& member(const json& object, const char* key) {
    static const json null;
    const auto it = object.is_object() ? object.find(key) : object.end();
    return object.is_object() && it != object.end() ? *it : null;
  }
  std::string text(const json& object, const char* key) const {
    const json& v = member(object, key);
    if (!v.is_string()) fail("'" + std::string(key) + "' is " + v.dump() + "; expected a string");
    return v.get<std::string>();
  }
  bool flag(const json& object, const char* key, bool otherwise) const {
    const json& v = member(object, key);
    if (v.is_null()) return otherwise;
    if (!v.is_boolean()) fail("'" + std::string(key) + "' is " + v.dump() + "; expected true or false");
    return v.get<bool>();
  }
  std::int32_t id(const json& v, const std::string& what) const {
    if (!v.is_number_unsigned() || v.get<std::uint64_t>() > max_id)
      fail(what + " has the id " + v.dump() + "; expected an integer from 0 to " + std::to_string(max_id));
    return v.get<std::int32_t>();
  }
  /// Tokens by id, from an object of token: id.
  std::vector<std::string> vocabulary(const json& vocab) const {
    if (!vocab.is_object()) fail("'vocab' is not an object of tokens and ids");
    std::vector<std::string> tokens;
    for (const auto& [token, number] : vocab.items()) {
      const auto i = std::size_t(id(number, "the token '" + token + "'"));
      if (i >= tokens.size()) tokens.resize(i + 1);
      if (!tokens[i].empty())
        fail("the tokens '" + tokens[i] + "' and '" + token + "' have the same id " + number.dump());
      tokens[i] = token;
    }
    return tokens;
  }
  std::vector<AddedToken> added_tokens() const {
    std::vector<AddedToken> tokens;
    const json& list = member(root_, "added_tokens");
    if (!list.is_array() && !list.is_null()) fail("'added_tokens' is not a list");
    for (const auto& entry : list) {
      const std::string content = text(entry, "content");
      if (flag(entry, "single_word", false))
        fail("the added token '" + content + "' is a single_word, which this library cannot tokenize");
      tokens.push_back(AddedToken{.text = content,
                                  .id = id(member(entry, "id"), "the added token '" + content + "'"),
                                  .strip_left = flag(entry, "lstrip", false),
                                  .strip_right = flag(entry, "rstrip", false),
                                  .normalised = flag(entry, "normalized", !flag(entry, "special", false))});
    }
    return tokens;
  }
  /// Tokens that the post-processor puts around one text; there are `tokens` and those that were added.
  Tokenizer::Around around(std::size_t tokens, const AddedTokens& added) const {
    Tokenizer::Around around;
    add_around(member(root_, "post_processor"), around);
    for (const auto& t : added.tokens()) tokens = std::max(tokens, std::size_t(t.id) + 1);
    for (const auto& ids : {around.before, around.after})
      for (const auto id : ids)
        if (std::size_t(id) >= tokens)
          fail("the post-processor puts token " + std::to_string(id) + " around every text, and the vocabulary has " +
               std::to_string(tokens) + ": the file is damaged; fetch it again");
    return around;
  }

 private:
  static constexpr std::int32_t max_id = 1 << 21;  // eight times the largest vocabularies; a list of them is made

  void add_around(const json& processor, Tokenizer::Around& around) const {
    if (processor.is_null()) return;
    const std::string type = text(processor, "type");
    if (type == "ByteLevel") return;  // only trims offsets
    if (type == "Sequence") {
      for (const auto& part : member(processor, "processors")) add_around(part, around);
    } else if (type == "BertProcessing" || type == "RobertaProcessing") {
      around.before.push_back(pair_id(member(processor, "cls")));
      around.after.insert(around.after.begin(), pair_id(member(processor, "sep")));
    } else if (type == "TemplateProcessing") {
      bool behind = false;
      for (const auto& piece : member(processor, "single")) {
        if (!member(piece, "Sequence").is_null()) {
          behind = true;
          continue;
        }
        const std::string name = text(member(piece, "SpecialToken"), "id");
        const json& special = member(member(processor, "special_tokens"), name.c_str());
        for (const auto& number : member(special, "ids"))
          (behind ? around.after : around.before).push_back(id(number, "the special token '" + name + "'"));
      }
    } else {
      fail("the post-processor '" + type + "' is not known");
    }
  }
  std::int32_t pair_id(const json& pair) const {
    if (!pair.is_array() || pair.size() != 2) fail("a post-processor has " + pair.dump() + "; expected [token, id]");
    return id(pair[1], "the token " + pair[0].dump());
  }

  std::string path_;
  json root_;
};

}  // namespace modelgrow::inline v0::detail
