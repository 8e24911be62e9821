// SPDX-License-Identifier: MIT
// Grafts of an Open-Sora model under the keys of config.json that came before "_modelgrow": temporal_conv, second_text,
// text_refiner, pooled_channels, prompt, second_prompt. They are read as records, and written as such.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/core/words.hpp>
#include <modelgrow/families/graft_records.hpp>

namespace modelgrow::inline v0::detail {

/// Collects the records of one configuration.
class LegacyGrafts {
 public:
  LegacyGrafts(const json& config, std::string where) : config_(config), where_(std::move(where)) {}

  /// Throws format_error for values that no version wrote.
  std::vector<GraftRecord> read() {
    if (const json& conv = at(config_, "temporal_conv"); conv.is_object()) temporal_conv(conv);
    if (const json& text = at(config_, "second_text"); text.is_object()) second_text(text);
    if (const auto depth = number(config_, "text_refiner", 0); depth > 0) {
      add("Refiner", object_of({{"depth", depth}}));
      refiner("y_refiner", depth, "y_refiner");
    }
    if (const auto width = number(config_, "pooled_channels", 0); width > 0) {
      add("PooledText", with_prompt(object_of({{"width", width}})));
      line("y_pooler.y_embedding", "fixed 1, fixed " + std::to_string(width) + "; buffer");
      line("y_pooler.norm.weight", "each " + std::to_string(width));
      line("y_pooler.norm.bias", "each " + std::to_string(width));
      line("y_pooler.proj.{weight,bias}", "out hidden, in " + std::to_string(width) + "; closes");
    }
    if (const json& prompt = at(config_, "prompt"); prompt.is_object())
      add("SwapTextEncoder", object_of({{"width", number(config_, "caption_channels", 4096)},
                                        {"max_length", number(config_, "model_max_length", 120)},
                                        {"prompt", prompt.dump()}}));
    return std::move(all_);
  }

 private:
  static const json& at(const json& j, const char* key) {
    static const json none;
    const json* there = member(j, key);
    return there ? *there : none;
  }
  std::int64_t number(const json& j, const char* key, std::int64_t otherwise) const {
    const json& v = at(j, key);
    if (v.is_null()) return otherwise;
    if (!v.is_number_integer() || v.get<std::int64_t>() < 0)
      throw format_error(where_ + ": '" + key + "' is " + v.dump() + "; expected a whole number");
    return v.get<std::int64_t>();
  }
  std::string word(const json& j, const char* key, const std::vector<std::string>& words) const {
    const json& v = at(j, key);
    if (v.is_null()) return words[0];
    for (const auto& w : words)
      if (v.is_string() && v.get_ref<const std::string&>() == w) return w;
    throw format_error(where_ + ": '" + key + "' is " + v.dump() + "; expected one of " + join(words, ' '));
  }
  void add(const std::string& graft, const json& options) {
    all_.push_back({.name = graft, .options = options.dump(), .tensors = {}});
  }
  void line(const std::string& pattern, const std::string& text) { all_.back().tensors.emplace_back(pattern, text); }
  json with_prompt(json options) const {
    if (const json& prompt = at(config_, "second_prompt"); prompt.is_object()) options["prompt"] = prompt.dump();
    return options;
  }

  void temporal_conv(const json& conv) {
    const auto kind = word(conv, "kind", {"depthwise", "dense", "none"});
    if (kind == "none") return;
    const auto kernel = number(conv, "kernel", 3);
    add("TemporalConv",
        object_of({{"kind", kind}, {"kernel", kernel}, {"padding", word(conv, "padding", {"causal", "centred"})}}));
    line("blocks.{}.conv_temp.weight",
         (kind == "dense" ? "out hidden, in hidden, fixed " : "each hidden, fixed 1, fixed ") + std::to_string(kernel) +
             "; closes");
    line("blocks.{}.conv_temp.bias", "out hidden; closes");
  }
  void second_text(const json& text) {
    const auto width = number(text, "caption_channels", 0), length = number(text, "model_max_length", 0),
               depth = number(text, "refiner", 0);
    if (width == 0) return;
    const auto entry = word(text, "entry", {"cross_attention", "gated", "decoupled", "concatenated"});
    const bool joint = entry == "concatenated", own = entry == "cross_attention" || entry == "gated";
    add(joint              ? "JointText"
        : entry == "gated" ? "GatedText"
        : own              ? "CrossText"
                           : "DecoupledText",
        with_prompt(object_of({{"width", width}, {"max_length", length}, {"refiner", depth}})));
    const std::string branch = joint ? "joint_text" : "cross_attn_2", w = std::to_string(width);
    line("y_embedder_2.y_embedding", "fixed " + std::to_string(length) + ", fixed " + w + "; buffer");
    line("y_embedder_2.y_proj.fc1.{weight,bias}", "out hidden, in " + w + "; of " + branch);
    line("y_embedder_2.y_proj.fc2.{weight,bias}", "out hidden, in hidden; of " + branch);
    if (depth > 0) refiner("y_refiner_2", depth, branch);
    if (joint) line("y_weight_2.weight", "fixed 1; scheduled, of joint_text");
    const std::string at = "blocks.{}.cross_attn_2.";
    if (own) {
      line(at + "q_linear.{weight,bias}", "out heads*head_dim, in hidden");
      line(at + "kv_linear.{weight,bias}", "out 2*heads*head_dim, in hidden");
      line(at + "proj.weight",
           std::string("out hidden, in heads*head_dim; ") + (entry == "gated" ? "inner cross_attn_2" : "closes"));
      line(at + "proj.bias", "out hidden; closes");
      if (entry == "gated") line(at + "gate", "each heads; closes");
    } else if (!joint) {
      line(at + "k_linear.{weight,bias}", "out heads*head_dim, in hidden");
      line(at + "v_linear.{weight,bias}", "out heads*head_dim, in hidden; closes");
    }
  }
  void refiner(const std::string& name, std::int64_t depth, const std::string& branch) {
    const std::string of = "of " + branch;
    line(name + ".c_embedder.{linear_1,linear_2}.{weight,bias}", "out hidden, in hidden; " + of);
    for (std::int64_t i = 0; i < depth; ++i) {
      const std::string at = name + ".blocks." + std::to_string(i) + ".";
      line(at + "{norm1,norm2}.{weight,bias}", "each hidden; " + of);
      line(at + "self_attn.qkv.{weight,bias}", "out 3*heads*head_dim, in hidden; " + of);
      line(at + "self_attn.proj.{weight,bias}", "out hidden, in heads*head_dim; " + of);
      line(at + "mlp.fc1.{weight,bias}", "out ffn, in hidden; " + of);
      line(at + "mlp.fc2.{weight,bias}", "out hidden, in ffn; " + of);
      line(at + "adaLN_modulation.1.{weight,bias}", "out 2*hidden, in hidden; closes, " + of);
    }
  }

  const json& config_;
  std::string where_;
  std::vector<GraftRecord> all_;
};

/// The grafts of a configuration: as recorded, or where nothing is recorded, as older keys say.
inline std::vector<GraftRecord> grafts_of(const json& config, const std::string& where, bool legacy) {
  auto grafts = grafts_in(config, where);
  return grafts.empty() && legacy && config.is_object() ? LegacyGrafts(config, where).read() : grafts;
}
inline std::vector<GraftRecord> grafts_of(std::string_view config, const std::string& where, bool legacy) {
  return config.empty() ? std::vector<GraftRecord>{} : grafts_of(parse_json(config, where), where, legacy);
}

}  // namespace modelgrow::inline v0::detail
