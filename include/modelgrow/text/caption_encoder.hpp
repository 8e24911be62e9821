// SPDX-License-Identifier: MIT
// Captions to text states exactly as a prompt manifest says: tokenizer, language model and manifest as one thing.
#pragma once
#include <map>
#include <memory>

#include <modelgrow/models/prompt_encoder.hpp>
#include <modelgrow/text/caption_states.hpp>
#include <modelgrow/text/load_tokenizer.hpp>
#include <modelgrow/text/model_fingerprint.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// The name that the user gave a model, links not followed: in a cache of downloads they lead to blobs without one.
inline std::string name_of_model(const std::filesystem::path& path) {
  const auto whole = std::filesystem::absolute(path).lexically_normal();
  return (whole.has_filename() ? whole : whole.parent_path()).filename().string();
}

}  // namespace detail

/// The tokens of a prompt that are computed, and how many states at the front are then cut off. Spans are bytes of the
/// caption; tokens of the template and marks have an empty one at the begin or the end of the caption.
struct CaptionTokens {
  std::vector<std::int32_t> ids;
  std::vector<TextSpan> spans;
  std::int64_t crop = 0;
  std::int64_t kept() const { return std::int64_t(ids.size()) - crop; }
};

/// A language model that reads captions by a manifest; copies share the mapping and the tokenizer.
template <Device D>
class CaptionEncoder {
 public:
  /// Opens a model, whose name and fingerprint complete a manifest without fingerprint. Throws format_error when the
  /// manifest was made with another model, makes no sense, or keeps more tokens than the model reads; shape_error for
  /// layers the model lacks; and what load_tokenizer and PromptEncoder::open throw.
  static CaptionEncoder open(const std::filesystem::path& path, PromptManifest manifest = {}) {
    check(manifest, "prompt manifest");
    CaptionEncoder e(load_tokenizer(path), PromptEncoder<D>::open(path));
    const auto name = detail::name_of_model(path);
    const auto fingerprint = model_fingerprint(path, *e.tokenizer_);
    if (!manifest.fingerprint.empty() && manifest.fingerprint != fingerprint)
      throw format_error(path.string() +
                         ": this is another language model than the manifest was made with: expected '" +
                         manifest.language_model + "' with fingerprint " + manifest.fingerprint + ", found '" + name +
                         "' with " + fingerprint + "; give the path of '" + manifest.language_model + "'");
    if (manifest.fingerprint.empty()) {
      manifest.language_model = name;
      manifest.fingerprint = fingerprint;
    }
    e.file_ = path;
    const auto& around = e.tokenizer_->around();
    for (const auto& ids : {around.before, around.after})
      for (const auto id : ids) e.check_id(id, "every prompt");
    if (manifest.max_length > e.model_.max_length())
      throw format_error("prompt manifest: 'max_length' is " + std::to_string(manifest.max_length) + "; '" + name +
                         "' reads prompts of up to " + std::to_string(e.model_.max_length()) + " tokens: lower it");
    const auto states = std::int64_t(manifest.layers.resolve(e.model_.depth()).size());
    const bool mean = manifest.layers.combine == HiddenLayers::Combine::normalised_mean;
    e.width_ = e.model_.width() * (mean ? 1 : states);
    e.manifest_ = std::move(manifest);
    return e;
  }

  const PromptManifest& manifest() const { return manifest_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }
  /// Width of the states: that of the model for each layer side by side.
  std::int64_t width() const { return width_; }

  /// Tokens of the prompt around a caption, cropped to what the manifest keeps. The last state is never cut off. A
  /// prompt without any token (an empty caption and template, and a tokenizer that adds no marks) is read as one space.
  /// Throws format_error for malformed UTF-8, prompts too long, a cut behind the end of what the model reads, and
  /// tokens that the model does not know.
  CaptionTokens tokens(std::string_view caption) const {
    Tokens all = tokenizer_->encode(manifest_.prompt(caption));
    if (all.ids.empty()) all = tokenizer_->encode(" ");
    if (all.ids.empty())
      throw format_error("the caption '" + std::string(caption) + "' gives no token in the template '" +
                         manifest_.prompt_template + "': add words to the template");
    const auto marks = std::int64_t(tokenizer_->around().after.size());
    CaptionTokens t{.ids = std::move(all.ids), .spans = in_caption(all.spans, caption.size())};
    const auto n = std::int64_t(t.ids.size());
    if (manifest_.crop_start == PromptManifest::at_caption)
      while (t.crop < n - marks && all.spans[std::size_t(t.crop)].end <= manifest_.caption_begin()) ++t.crop;
    else
      t.crop = manifest_.crop_start;
    const std::int64_t readable = model_.max_length();
    if (t.crop >= readable)
      throw format_error("the manifest cuts off the first " + std::to_string(t.crop) + " tokens, and '" +
                         manifest_.language_model + "' reads no more than " + std::to_string(readable) +
                         ": shorten the template");
    const std::int64_t limit = std::min(manifest_.max_length, readable - t.crop) + t.crop;
    if (n > limit) shorten(t, limit, std::min(marks, limit), caption);
    t.crop = std::min(t.crop, std::int64_t(t.ids.size()) - 1);
    for (const auto id : t.ids) check_id(id, "the caption '" + std::string(caption) + "'");
    return t;
  }

  /// States of captions in their order; equal captions are computed once. `at_once` bounds the tokens computed
  /// together. Throws as tokens() does.
  CaptionStates encode(std::span<const std::string> captions, std::int64_t at_once = 2048) const {
    std::map<std::string_view, std::size_t> index;
    std::vector<std::size_t> which;
    std::vector<CaptionTokens> different;
    PackedPrompts prompts;
    for (const auto& caption : captions) {
      const auto [it, fresh] = index.emplace(caption, different.size());
      if (fresh) prompts.add(different.emplace_back(tokens(caption)).ids);
      which.push_back(it->second);
    }
    CaptionStates result;
    for (const auto i : which) {
      result.begins.push_back(result.begins.back() + different[i].kept());
      append_spans(different[i], result.spans);
    }
    result.states = Tensor<float, Cpu>({result.begins.back(), width_});
    if (captions.empty()) return result;
    const auto layers = model_.encode(prompts, manifest_.layers, at_once);
    for (std::size_t k = 0; k < layers.size(); ++k) {
      const Tensor<float, Cpu> from = to_cpu(normalised(layers[k]));
      const std::int64_t width = from.dim(1);
      for (std::size_t c = 0; c < which.size(); ++c) {
        const std::int64_t first = prompts.begins[which[c]] + different[which[c]].crop, to = result.begins[c];
        for (std::int64_t t = 0; t < different[which[c]].kept(); ++t)
          std::copy_n(from.data() + (first + t) * width, width,
                      result.states.data() + (to + t) * width_ + std::int64_t(k) * width);
      }
    }
    return result;
  }

  /// The bytes of its caption that each state of encode() stands for, without running the model: for states that come
  /// from a cache. Throws as tokens() does.
  std::vector<TextSpan> spans(std::span<const std::string> captions) const {
    std::vector<TextSpan> all;
    for (const auto& caption : captions) append_spans(tokens(caption), all);
    return all;
  }

  /// Padded states of captions as a video model takes them. Throws as tokens() does.
  template <Element T = float>
  PaddedStates<T> states(std::span<const std::string> captions) const {
    return encode(captions).template padded<T>(manifest_);
  }

 private:
  /// A tokenizer may know more tokens than the model (added ones that nobody uses): only those that are met count.
  void check_id(std::int32_t id, const std::string& what) const {
    if (id < model_.vocabulary()) return;
    throw format_error(file_.string() + ": " + what + " has the token '" + tokenizer_->decode(std::span(&id, 1)) +
                       "' with the id " + std::to_string(id) + "; the model has embeddings for 0 to " +
                       std::to_string(model_.vocabulary() - 1) +
                       ": put the tokenizer of this model beside it, or leave that token out");
  }
  CaptionEncoder(std::shared_ptr<const Tokenizer> tokenizer, PromptEncoder<D> model)
      : tokenizer_(std::move(tokenizer)), model_(std::move(model)) {}

  std::vector<TextSpan> in_caption(std::vector<TextSpan> spans, std::size_t size) const {
    const std::size_t begin = manifest_.caption_begin();
    const auto clamped = [&](std::size_t at) { return std::min(at - std::min(at, begin), size); };
    for (auto& s : spans) s = {.begin = clamped(s.begin), .end = clamped(s.end)};
    return spans;
  }
  static void append_spans(const CaptionTokens& t, std::vector<TextSpan>& all) {
    all.insert(all.end(), t.spans.begin() + t.crop, t.spans.end());
  }
  /// Leaves `limit` tokens, the last `marks` of which are those of the end.
  void shorten(CaptionTokens& t, std::int64_t limit, std::int64_t marks, std::string_view caption) const {
    if (manifest_.too_long == PromptManifest::TooLong::refuse)
      throw format_error("the caption '" + std::string(caption) + "' makes a prompt of " +
                         std::to_string(t.ids.size()) + " tokens; at most " + std::to_string(limit) +
                         " are read: shorten it, or let the manifest crop captions that are too long");
    t.ids.erase(t.ids.begin() + limit - marks, t.ids.end() - marks);
    t.spans.erase(t.spans.begin() + limit - marks, t.spans.end() - marks);
  }
  Tensor<float, D> normalised(const Tensor<float, D>& states) const {
    if (manifest_.normalisation == PromptManifest::Normalisation::none) return states;
    const Tensor<float, D> result(states.shape());
    normalise(states, {}, {}, 1e-5, result);
    return result;
  }

  std::shared_ptr<const Tokenizer> tokenizer_;
  PromptEncoder<D> model_;
  PromptManifest manifest_;
  std::int64_t width_ = 0;
  std::filesystem::path file_;
};

}  // namespace modelgrow::inline v0
