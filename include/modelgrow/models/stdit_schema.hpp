// SPDX-License-Identifier: MIT
// From the schema of a grown STDiT back to its configuration, and the layers that an STDiT can still be given.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include <modelgrow/core/schema.hpp>
#include <modelgrow/models/stdit_json.hpp>

namespace modelgrow::inline v0 {

/// The ratio whose product with `hidden`, cut to an integer as upstream does, is exactly `ffn`.
inline double mlp_ratio_for(std::int64_t ffn, std::int64_t hidden) {
  double ratio = double(ffn) / double(hidden);
  while (std::int64_t(double(hidden) * ratio) < ffn) ratio = std::nextafter(ratio, ratio + 1.0);
  return ratio;
}

/// `base` with the sizes and layers that a schema grown from it has.
inline StditConfig grown_config(StditConfig base, const Schema& s) {
  base.hidden_size = s.space("hidden").space.size;
  base.num_heads = s.space("heads").space.size;
  base.mlp_ratio = mlp_ratio_for(s.space("ffn").space.size, base.hidden_size);
  base.depth = s.stack("blocks").count;
  if (const auto* conv = s.find("blocks.0.conv_temp.weight")) {
    using Kind = TemporalConvOptions::Kind;
    base.temporal_conv.kind = conv->info.axes[1].role == Role::in ? Kind::dense : Kind::depthwise;
    base.temporal_conv.kernel = conv->shape()[2];
    if (const auto it = s.settings.find("temporal_conv.padding"); it != s.settings.end())
      base.temporal_conv.padding = detail::padding_of(it->second);
  }
  if (const auto* null = s.find("y_embedder.y_embedding")) {
    base.caption_channels = null->shape()[1];
    base.model_max_length = null->shape()[0];
  }
  const auto depth_of = [&](const std::string& refiner) {
    std::int64_t n = 0;
    while (s.find(refiner + ".blocks." + std::to_string(n) + ".norm1.weight")) ++n;
    return n;
  };
  if (const auto* null = s.find("y_embedder_2.y_embedding")) {
    using Entry = StditConfig::TextEntry;
    base.second_text = {.caption_channels = null->shape()[1],
                        .model_max_length = null->shape()[0],
                        .entry = s.find("y_weight_2.weight")                       ? Entry::concatenated
                                 : s.find("blocks.0.cross_attn_2.gate")            ? Entry::gated
                                 : s.find("blocks.0.cross_attn_2.v_linear.weight") ? Entry::decoupled
                                                                                   : Entry::cross_attention,
                        .refiner = depth_of("y_refiner_2")};
  }
  base.text_refiner = depth_of("y_refiner");
  if (const auto* null = s.find("y_pooler.y_embedding")) base.pooled_channels = null->shape()[1];
  if (const auto it = s.settings.find("prompt"); it != s.settings.end()) base.prompt = it->second;
  if (const auto it = s.settings.find("second_prompt"); it != s.settings.end()) base.second_prompt = it->second;
  return base;
}

namespace detail {

/// Reads the arguments of an option and refuses those it does not know.
class OptionArguments {
 public:
  OptionArguments(std::string option, const SchemaOption::Arguments& given, std::vector<std::string> known)
      : option_(std::move(option)), given_(given) {
    for (const auto& [key, value] : given)
      if (std::find(known.begin(), known.end(), key) == known.end()) {
        std::string list;
        for (const auto& k : known) list += (list.empty() ? "" : ", ") + k;
        throw plan_error("layer '" + option_ + "' has no argument '" + key + "'; it takes: " + list);
      }
  }
  std::string word(const std::string& key, const std::string& otherwise) const {
    const auto it = given_.find(key);
    return it == given_.end() ? otherwise : it->second;
  }
  /// A positive number; 0 as `otherwise` means that the argument must be given.
  std::int64_t number(const std::string& key, std::int64_t otherwise) const {
    const std::string text = word(key, std::to_string(otherwise));
    const bool digits = !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == text.npos;
    if (!digits || std::stoll(text) == 0)
      throw plan_error("layer '" + option_ + "': argument '" + key + "' is '" + text + "'; expected a positive number");
    return std::stoll(text);
  }

 private:
  std::string option_;
  const SchemaOption::Arguments& given_;
};

inline void add_temporal_conv(StditConfig& c, const SchemaOption::Arguments& given) {
  const OptionArguments a("conv_temp", given, {"kind", "kernel", "padding"});
  try {
    c.temporal_conv = {.kind = conv_kind_of(a.word("kind", "dense")),
                       .kernel = a.number("kernel", 3),
                       .padding = padding_of(a.word("padding", "causal"))};
  } catch (const format_error& e) {
    throw plan_error(e.what());
  }
}

/// The argument `prompt`, which is empty or a JSON object, on one line.
inline std::string prompt_of(const OptionArguments& a) {
  const std::string text = a.word("prompt", "");
  try {
    return text.empty() ? text : parse_config(text, "argument 'prompt'").dump();
  } catch (const format_error& e) {
    throw plan_error(std::string(e.what()) + "; expected a JSON object that says how the encoder is fed");
  }
}

/// The prompt of a second encoder: no other than the one there is.
inline void set_second_prompt(StditConfig& c, const OptionArguments& a) {
  const std::string prompt = prompt_of(a);
  if (prompt.empty()) return;
  if (!c.second_prompt.empty() && c.second_prompt != prompt)
    throw plan_error("the second text encoder is fed by the prompt " + c.second_prompt + "; a second one, " + prompt +
                     ", would change what its states mean");
  c.second_prompt = prompt;
}

/// Another encoder in place of the first; how the old one was fed would be wrong for it.
inline void replace_text(StditConfig& c, const SchemaOption::Arguments& given) {
  const OptionArguments a("y_embedder", given, {"caption_channels", "model_max_length", "prompt"});
  c.caption_channels = a.number("caption_channels", 0);
  c.model_max_length = a.number("model_max_length", 128);
  const std::string prompt = prompt_of(a);
  if (prompt.empty() && !c.prompt.empty())
    throw plan_error("the model knows how its text encoder was fed, " + c.prompt +
                     "; say how the new one is fed: argument 'prompt'");
  c.prompt = prompt;
}

inline void add_second_text(StditConfig& c, const SchemaOption::Arguments& given) {
  const OptionArguments a("cross_attn_2", given, {"caption_channels", "model_max_length", "entry", "prompt"});
  c.second_text.caption_channels = a.number("caption_channels", 0);
  c.second_text.model_max_length = a.number("model_max_length", 128);
  try {
    const std::string entry = a.word("entry", "cross_attention");
    c.second_text.entry = StditConfig::TextEntry(index_in(text_entries, entry, "cross_attn_2: entry"));
  } catch (const format_error& e) {
    throw plan_error(e.what());
  }
  set_second_prompt(c, a);
}

inline void add_pooled_text(StditConfig& c, const SchemaOption::Arguments& given) {
  const OptionArguments a("y_pooler", given, {"caption_channels", "prompt"});
  c.pooled_channels = a.number("caption_channels", 0);
  set_second_prompt(c, a);
}

inline void add_text_refiner(StditConfig& c, const SchemaOption::Arguments& given) {
  c.text_refiner = OptionArguments("y_refiner", given, {"depth"}).number("depth", 2);
}
inline void add_second_text_refiner(StditConfig& c, const SchemaOption::Arguments& given) {
  c.second_text.refiner = OptionArguments("y_refiner_2", given, {"depth"}).number("depth", 2);
}

}  // namespace detail

/// The layers that growth can switch on. `schema_of(config)` describes an STDiT of that configuration.
template <class SchemaOf>
std::vector<SchemaOption> stdit_options(const StditConfig& base, SchemaOf schema_of) {
  const auto option = [&](std::string name, std::string summary, auto add) {
    return SchemaOption{.name = std::move(name),
                        .summary = std::move(summary),
                        .switched_on = [base, schema_of, add](const Schema& now, const SchemaOption::Arguments& given) {
                          StditConfig c = grown_config(base, now);
                          add(c, given);
                          try {
                            Schema with = schema_of(c);
                            with.settings = now.settings;
                            if (c.has_temporal_conv())
                              with.settings["temporal_conv.padding"] = detail::word_of(c.temporal_conv.padding);
                            if (!c.prompt.empty()) with.settings["prompt"] = c.prompt;
                            if (!c.second_prompt.empty()) with.settings["second_prompt"] = c.second_prompt;
                            return with;
                          } catch (const shape_error& e) {
                            throw plan_error(e.what());
                          }
                        }};
  };
  return {
      option("conv_temp", "temporal convolution; kind = dense | depthwise, kernel = 3 | 5, padding = causal | centred",
             detail::add_temporal_conv),
      option("y_embedder",
             "another text encoder in place of the first (SwapTextEncoder); caption_channels = width of its states, "
             "model_max_length = 128, prompt = how it is fed, as JSON",
             detail::replace_text),
      option("cross_attn_2",
             "attention to another text encoder; caption_channels = width of its states, model_max_length = 128, "
             "entry = cross_attention | gated | decoupled | concatenated, prompt = how it is fed, as JSON",
             detail::add_second_text),
      option("y_pooler",
             "the mean of another text encoder's states beside the time; caption_channels = their width, prompt = how "
             "it is fed, as JSON",
             detail::add_pooled_text),
      option("y_refiner", "transformer blocks over the tokens of the first text encoder; depth = 2",
             detail::add_text_refiner),
      option("y_refiner_2", "the same behind the second text encoder; depth = 2", detail::add_second_text_refiner)};
}

}  // namespace modelgrow::inline v0
