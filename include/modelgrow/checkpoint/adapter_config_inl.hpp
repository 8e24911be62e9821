// SPDX-License-Identifier: MIT
// The definitions of adapter_config.hpp.
#pragma once
#include <algorithm>
#include <array>
#include <regex>
#include <set>

#include <modelgrow/checkpoint/adapter_config.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/core/words.hpp>
#include <modelgrow/detail/json_members.hpp>

namespace modelgrow::inline v0 {

namespace detail {

inline constexpr std::string_view merge_there =
    "; merge it where it was trained (merge_and_unload of peft), and grow the merged weights";

/// Whether a pattern is of those that people write for layers: names, '.', sets, alternatives, "\\." and "\\d", up to
/// three repetitions and none of a group. Whatever else a regular expression can say may take any time to match.
inline bool is_pattern_of_layers(std::string_view pattern) {
  int repetitions = 0;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i], next = i + 1 < pattern.size() ? pattern[i + 1] : '\0';
    const auto one_of = [](char x, std::string_view all) { return x != '\0' && all.find(x) != all.npos; };
    if (c == '\\' && one_of(next, ".d")) {
      ++i;
      continue;
    }
    repetitions += one_of(c, "*+?");
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!(letter || one_of(c, "_-.*+?|()[]^$")) || (c == ')' && one_of(next, "*+?"))) return false;
  }
  return repetitions <= 3;
}

/// Keys of a LoraConfig that make it more than W + scale B A, and what they stand for.
inline constexpr std::array<std::pair<std::string_view, std::string_view>, 16> beyond_lora{{
    {"use_dora", "DoRA, which has magnitudes beside the factors"},
    {"use_qalora", "QALoRA, which averages what A reads"},
    {"lora_bias", "a bias of B"},
    {"fan_in_fan_out", "weights that are stored transposed"},
    {"layer_replication", "blocks that are used more than once"},
    {"modules_to_save", "whole layers beside the adapters"},
    {"trainable_token_indices", "rows of embeddings"},
    {"target_parameters", "parameters of no linear layer"},
    {"alora_invocation_tokens", "aLoRA, which acts on some tokens only"},
    {"arrow_config", "Arrow, which mixes adapters"},
    {"use_bdlora", "factors that are block-diagonal"},
    {"kasa_config", "KaSA, which changes the weights that it adapts"},
    {"monteclora_config", "MonteCLoRA, whose factors are drawn"},
    {"velora_config", "VeLoRA"},
    {"corda_config", "CorDA, which changes the weights that it adapts"},
    {"lora_ga_config", "LoRA-GA, which changes the weights that it adapts"},
}};

/// Whether a key is there and not null, false or empty.
inline bool is_set(const json* value) {
  if (!value || value->is_null() || (value->is_boolean() && !value->get<bool>())) return false;
  return !(value->is_string() || value->is_array() || value->is_object()) || !value->empty();
}

/// The first part of a name that is a number, as the block of "blocks.3.attn".
inline std::optional<std::int64_t> first_number(const std::string& name) {
  for (const auto& part : split_at(name, '.'))
    if (all_digits(part)) return std::stoll(part);
  return {};
}

}  // namespace detail

MODELGROW_INLINE LoraConfig::LoraConfig(std::string text, std::string prefix, std::string where)
    : text_(std::move(text)), prefix_(std::move(prefix)), where_(std::move(where)) {
  const auto j = detail::parse_json(text_, where_);
  if (!j.is_object()) throw format_error(where_ + ": the configuration of the adapter is not a JSON object");
  const auto get = [&](std::string_view key) { return detail::member(j, prefix_ + std::string(key)); };
  const auto refuse = [&](std::string_view key, std::string_view what) {
    throw format_error(where_ + ": '" + prefix_ + std::string(key) + "' asks for " + std::string(what) +
                       ", which is no plain LoRA" + std::string(detail::merge_there));
  };
  for (const auto& [key, what] : detail::beyond_lora)
    if (detail::is_set(get(key))) refuse(key, what);
  if (const auto* type = get("peft_type"); detail::is_set(type) && *type != detail::json("LORA"))
    refuse("peft_type", "an adapter of type " + type->dump());
  if (const auto* bias = get("bias"); detail::is_set(bias) && *bias != detail::json("none"))
    refuse("bias", "biases beside the adapters");
  if (const auto* init = get("init_lora_weights"); init && init->is_string())
    for (const std::string_view known : {"pissa", "olora", "loftq", "corda", "lora_ga"})
      if (init->get_ref<const std::string&>().starts_with(known))
        refuse("init_lora_weights", std::string(known) + ", which changes the weights that it adapts");

  const auto number = [&](std::string_view key, const detail::json& value) {
    if (!value.is_number())
      throw format_error(where_ + ": '" + prefix_ + std::string(key) + "' has the value " + value.dump() +
                         "; expected a number");
    return value.get<double>();
  };
  const auto patterns = [&](std::string_view key) {
    Patterns list;
    const auto* object = get(key);
    if (!detail::is_set(object)) return list;
    if (!object->is_object())
      throw format_error(where_ + ": '" + prefix_ + std::string(key) +
                         "' is no JSON object; expected numbers by names");
    for (const auto& [pattern, value] : object->get_ref<const detail::json::object_t&>())
      list.emplace_back(pattern, number(key, value));
    return list;
  };
  if (const auto* r = get("r"); detail::is_set(r)) rank_ = number("r", *r);
  if (const auto* alpha = get("lora_alpha"); detail::is_set(alpha)) alpha_ = number("lora_alpha", *alpha);
  rslora_ = detail::is_set(get("use_rslora"));
  ranks_ = patterns("rank_pattern");
  alphas_ = patterns("alpha_pattern");
}

MODELGROW_INLINE std::optional<double> LoraConfig::value_of(const Patterns& patterns, const std::string& layer) const {
  constexpr std::size_t longest = 256;  // the matcher needs memory for every character, and time
  for (const auto& [pattern, value] : patterns) try {
      if (pattern.size() > longest || layer.size() > longest)
        throw format_error(where_ + ": a pattern or a name is longer than " + std::to_string(longest) + " characters");
      if (!detail::is_pattern_of_layers(pattern))
        throw format_error(where_ + ": the pattern '" + pattern +
                           "' is more than names, sets, alternatives and three repetitions; name the layers instead");
      if (std::regex_match(layer, std::regex("(.*\\.)?(" + pattern + ")"))) return value;
    } catch (const std::regex_error& e) {
      throw format_error(where_ + ": the pattern '" + pattern + "' cannot be read (" + e.what() +
                         "); name the layers instead");
    }
  return {};
}

MODELGROW_INLINE std::string LoraConfig::text_for(const std::vector<MovedLayer>& layers,
                                                  const std::vector<std::string>& all) const {
  if (std::ranges::all_of(layers, [](const MovedLayer& l) { return l.before == l.name; })) return text_;
  for (const auto& l : layers)
    for (const auto& other : all)
      if (other.ends_with("." + l.name))
        throw plan_error(where_ + ": an adapter of '" + l.name + "' alone cannot be said to peft, which takes '" +
                         other + "' for it as well; merge the adapter before the growth (modelgrow merge)");
  auto j = detail::parse_json(text_, where_);
  const auto put = [&](std::string_view key, detail::json value) {
    if (detail::has(j, prefix_ + std::string(key))) j[prefix_ + std::string(key)] = std::move(value);
  };
  const auto get = [&](std::string_view key) { return detail::member(j, prefix_ + std::string(key)); };
  std::vector<std::string> names;
  for (const auto& l : layers) names.push_back(l.name);
  put("target_modules", detail::array_of(names));
  put("exclude_modules", nullptr);
  if (const auto* blocks = get("layers_to_transform"); detail::is_set(blocks)) {
    std::set<std::int64_t> moved;
    for (const auto& l : layers)
      if (const auto number = detail::first_number(l.name)) moved.insert(*number);
    put("layers_to_transform", detail::array_of(std::vector(moved.begin(), moved.end())));
  }
  const auto patterns = [&](std::string_view key, const Patterns& before, double otherwise, auto&& value) {
    if (before.empty()) return;
    auto by_name = detail::json::object();
    for (const auto& l : layers)
      if (const detail::json number = value(l); number != detail::json(otherwise)) by_name[l.name] = number;
    put(key, std::move(by_name));
  };
  patterns("rank_pattern", ranks_, rank_.value_or(8), [](const MovedLayer& l) { return detail::json(l.rank); });
  patterns("alpha_pattern", alphas_, alpha_, [](const MovedLayer& l) {
    const auto whole = detail::whole_number(detail::json(l.alpha));
    return whole ? detail::json(*whole) : detail::json(l.alpha);
  });
  return j.dump(2) + "\n";
}

}  // namespace modelgrow::inline v0
