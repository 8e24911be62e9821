// SPDX-License-Identifier: MIT
// A prompt manifest as JSON text that can be stored and compared, its hash, and in what two manifests differ.
#pragma once
#include <cstdio>
#include <limits>

#include <modelgrow/core/rng.hpp>
#include <modelgrow/detail/json.hpp>
#include <modelgrow/text/prompt_manifest.hpp>

namespace modelgrow::inline v0 {

namespace detail {

inline constexpr std::string_view too_long_words[] = {"crop", "refuse"};
inline constexpr std::string_view combine_words[] = {"side_by_side", "normalised_mean"};
inline constexpr std::string_view normalisation_words[] = {"none", "layer_norm"};
inline constexpr std::string_view padding_words[] = {"masked", "attended"};

inline json manifest_json(const PromptManifest& m) {
  const auto word = [](const auto& words, auto value) { return std::string(words[std::size_t(value)]); };
  return {{"language_model", m.language_model},
          {"fingerprint", m.fingerprint},
          {"template", m.prompt_template},
          {"crop_start", m.crop_start == PromptManifest::at_caption ? json("caption") : json(m.crop_start)},
          {"max_length", m.max_length},
          {"too_long", word(too_long_words, m.too_long)},
          {"layers", m.layers.indices},
          {"combine", word(combine_words, m.layers.combine)},
          {"normalisation", word(normalisation_words, m.normalisation)},
          {"padding", word(padding_words, m.padding)},
          {"null_prompt", m.null_prompt}};
}

/// Takes the keys of an object one by one; each must be there, and no other.
class ManifestReader {
 public:
  ManifestReader(std::string_view text, const std::string& where) : where_(where), values_(parse_json(text, where)) {
    const json known = manifest_json({});
    std::string all;
    for (const auto& [key, value] : known.items()) all += (all.empty() ? "" : ", ") + key;
    if (!values_.is_object()) fail("a prompt manifest is a JSON object; found " + std::string(values_.type_name()));
    for (const auto& [key, value] : known.items())
      if (!values_.contains(key)) fail("there is no '" + key + "'; a prompt manifest has " + all + ": add it");
    for (const auto& [key, value] : values_.items())
      if (!known.contains(key))
        fail("the key '" + key + "' is unknown; a prompt manifest has " + all +
             ": remove it, or read the manifest with the version that wrote it");
  }

  std::string text(const char* key) const {
    const json& v = values_.at(key);
    if (!v.is_string()) wrong(key, v, "a string");
    return v.get<std::string>();
  }
  std::int64_t integer(const char* key, const char* expected) const {
    return integer(key, values_.at(key), expected, std::numeric_limits<std::int64_t>::max());
  }
  std::int64_t crop_start() const {
    const char* const key = "crop_start";
    const json& v = values_.at(key);
    if (v == "caption") return PromptManifest::at_caption;
    const char* const expected = "a number of tokens from 0, or \"caption\" to begin with the caption";
    const std::int64_t n = integer(key, expected);
    if (n < 0) wrong(key, v, expected);
    return n;
  }
  std::vector<int> layers() const {
    const json& list = values_.at("layers");
    const char* const expected = "a list of integers such as [-1, -2], or [] for all";
    if (!list.is_array()) wrong("layers", list, expected);
    std::vector<int> indices;
    for (const json& v : list) indices.push_back(int(integer("layers", v, expected, std::numeric_limits<int>::max())));
    return indices;
  }
  template <class E, std::size_t N>
  E word(const char* key, const std::string_view (&words)[N]) const {
    std::string list;
    for (std::size_t i = 0; i < N; ++i) {
      if (values_.at(key) == words[i]) return E(i);
      list += (i ? " or \"" : "\"") + std::string(words[i]) + "\"";
    }
    wrong(key, values_.at(key), list.c_str());
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw format_error(where_ + ": " + what); }
  [[noreturn]] void wrong(const char* key, const json& found, const char* expected) const {
    fail("'" + std::string(key) + "' is " + found.dump() + "; expected " + expected);
  }
  std::int64_t integer(const char* key, const json& v, const char* expected, std::int64_t most) const {
    const bool fits = v.is_number_unsigned()  ? v.get<std::uint64_t>() <= std::uint64_t(most)
                      : v.is_number_integer() ? v.get<std::int64_t>() >= -most
                                              : false;
    if (!fits) wrong(key, v, expected);
    return v.get<std::int64_t>();
  }
  const std::string& where_;
  json values_;
};

}  // namespace detail

/// The manifest as one line of JSON: all keys, always in the same order, so equal manifests give equal texts.
/// Throws format_error as check() does.
inline std::string to_json(const PromptManifest& m) {
  check(m, "prompt manifest");
  return detail::manifest_json(m).dump();
}

/// The manifest that to_json() wrote. Throws format_error "<where>: .." for missing and unknown keys and wrong values.
inline PromptManifest parse_prompt_manifest(std::string_view text, const std::string& where) {
  const detail::ManifestReader from(text, where);
  using M = PromptManifest;
  M m{.language_model = from.text("language_model"),
      .fingerprint = from.text("fingerprint"),
      .prompt_template = from.text("template"),
      .crop_start = from.crop_start(),
      .max_length = from.integer("max_length", "a number of tokens from 1"),
      .too_long = from.word<M::TooLong>("too_long", detail::too_long_words),
      .layers = HiddenLayers{.indices = from.layers(),
                             .combine = from.word<HiddenLayers::Combine>("combine", detail::combine_words)},
      .normalisation = from.word<M::Normalisation>("normalisation", detail::normalisation_words),
      .padding = from.word<M::Padding>("padding", detail::padding_words),
      .null_prompt = from.text("null_prompt")};
  check(m, where);
  return m;
}

/// What makes two manifests give different states, such as "max_length is 64, not 32"; empty when nothing does. The
/// name of the language model is for people: its fingerprint counts.
inline std::string differences(const PromptManifest& found, const PromptManifest& expected) {
  const detail::json a = detail::manifest_json(found), b = detail::manifest_json(expected);
  std::string text;
  for (const auto& [key, value] : a.items())
    if (key != "language_model" && value != b.at(key))
      text += (text.empty() ? "" : "; ") + key + " is " + value.dump() + ", not " + b.at(key).dump();
  if (found.fingerprint != expected.fingerprint)
    text += " (the language models are '" + found.language_model + "' and '" + expected.language_model + "')";
  return text;
}

/// 16 hexadecimal digits.
inline std::string hex_digits(std::uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(value));
  return text;
}

/// Hash of everything that differences() compares: FNV-1a of the JSON text without the name of the language model, the
/// same on every machine.
inline std::uint64_t hash(PromptManifest m) {
  m.language_model.clear();
  return hash_name(to_json(m));
}

}  // namespace modelgrow::inline v0
