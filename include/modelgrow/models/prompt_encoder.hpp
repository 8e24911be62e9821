// SPDX-License-Identifier: MIT
// Any language model that can be a text encoder, found out from its files.
#pragma once
#include <variant>

#include <modelgrow/models/bert.hpp>
#include <modelgrow/models/llama.hpp>
#include <modelgrow/models/t5.hpp>

namespace modelgrow::inline v0 {

/// A Llama, T5Encoder or Bert behind one interface; copies share the mapping.
template <Device D>
class PromptEncoder {
 public:
  /// A GGUF file, or a directory whose config.json has a known model_type. Throws io_error or format_error.
  static PromptEncoder open(const std::filesystem::path& path) {
    auto file = MappedWeights::open(path);
    if (file.gguf()) return PromptEncoder(Llama<D>::open(std::move(file)));
    std::string type;
    detail::read_key(detail::parse_config(file.config(), file.config_file()), "model_type", type, file.config_file());
    std::string known;
    const auto is = [&](const auto& types) {
      for (const auto name : types) known += (known.empty() ? "" : ", ") + std::string(name);
      return std::ranges::find(types, type) != std::end(types);
    };
    if (is(LlamaConfig::model_types)) return PromptEncoder(Llama<D>::open(std::move(file)));
    if (is(T5Config::model_types)) return PromptEncoder(T5Encoder<D>::open(std::move(file)));
    if (is(BertConfig::model_types)) return PromptEncoder(Bert<D>::open(std::move(file)));
    throw format_error(file.config_file() + ": model_type '" + type + "' is not one of " + known);
  }

  std::int64_t width() const {
    return std::visit([](const auto& m) { return m.width(); }, model_);
  }
  /// Layers; there is one hidden state more.
  std::int64_t depth() const {
    return std::visit([](const auto& m) { return m.depth(); }, model_);
  }
  /// Ids that it has embeddings for.
  std::int64_t vocabulary() const {
    return std::visit([](const auto& m) { return m.config().vocabulary; }, model_);
  }
  std::int64_t max_length() const {
    return std::visit([](const auto& m) { return m.max_length(); }, model_);
  }
  /// Hidden states [tokens, width] of packed prompts: one tensor for each layer, or their mean; see Llama::encode.
  std::vector<Tensor<float, D>> encode(const PackedPrompts& prompts, const HiddenLayers& layers = {},
                                       std::int64_t at_once = 2048) const {
    return std::visit([&](const auto& m) { return m.encode(prompts, layers, at_once); }, model_);
  }

 private:
  using Any = std::variant<Llama<D>, T5Encoder<D>, Bert<D>>;
  explicit PromptEncoder(Any model) : model_(std::move(model)) {}
  Any model_;
};

}  // namespace modelgrow::inline v0
