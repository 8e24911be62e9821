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
  /// A .gguf file, or a directory whose config.json has a known model_type. Throws io_error or format_error.
  static PromptEncoder open(const std::filesystem::path& path) {
    if (path.extension() == ".gguf") return PromptEncoder(Llama<D>::open(path));
    const std::string config = Checkpoint::open(path).config();
    const std::string where = (path / Checkpoint::config_file).string();
    if (config.empty())
      throw format_error(path.string() + ": there is no config.json beside the weights: give the directory of a " +
                         "language model, or a .gguf file");
    std::string type;
    detail::read_key(detail::parse_config(config, where), "model_type", type, where);
    const auto kind = detail::index_in({"llama", "mistral", "qwen2", "qwen3", "t5", "mt5", "umt5", "bert"}, type,
                                       where + ": model_type");
    if (kind == 7) return PromptEncoder(Bert<D>::open(path));
    if (kind >= 4) return PromptEncoder(T5Encoder<D>::open(path));
    return PromptEncoder(Llama<D>::open(path));
  }

  std::int64_t width() const {
    return std::visit([](const auto& m) { return m.width(); }, model_);
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
