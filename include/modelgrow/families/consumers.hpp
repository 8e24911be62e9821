// SPDX-License-Identifier: MIT
// Programs that load checkpoints: where each takes the sizes from, what it computes itself, and what it makes of a
// config.json that is older than the file. docs/where-it-runs.md is written from this table, and says how it was found.
#pragma once
#include <modelgrow/core/words.hpp>
#include <modelgrow/families/config_rules.hpp>
#include <modelgrow/families/family.hpp>
#include <modelgrow/families/fit.hpp>

namespace modelgrow::inline v0 {

/// A program, for the families for which something is known about it. What was not tried is empty.
struct Consumer {
  enum class Sizes { config, names, table };  // config.json, names and shapes, a table of what it knows
  std::string_view name, version, families;   // families: names with spaces between
  Sizes sizes = Sizes::config;
  std::string_view computes = {};       // "heads = hidden/128, ffn = 4*hidden": whatever file and config.json say
  std::string_view loads = "loads it";  // a folder that is in order
  std::string_view grafted = {};        // tensors that its class does not have
  std::string_view more_blocks = {}, fewer_blocks = {}, wider_ffn = {};  // the file, where config.json is older than it
  bool ran = true;                                                       // false: read in its source
};

/// What one program would do with a folder.
struct Consumption {
  const Consumer* consumer = nullptr;
  std::string does;
};

namespace detail {

inline constexpr std::string_view in_diffusers =
    "wan wan_vace ltx_video ltx2 hunyuan_video hunyuan_video15 cosmos cogvideox qwen_image flux flux2 sd3 minimax_h3 "
    "mochi z_image pixart latte";
inline constexpr std::string_view native = "loads it, under native names";
inline constexpr std::string_view counted = "finds its sizes, under native names";
inline constexpr std::string_view taken = "takes it for the released one, under native names";
inline constexpr std::string_view comfy = "0b61ce5";  // a commit of 2026

}  // namespace detail

/// Every program that something is known about.
inline constexpr Consumer consumers[] = {
    {.name = "diffusers",
     .version = "0.42.1",
     .families = detail::in_diffusers,
     .grafted = "leaves them out, with a warning",
     .more_blocks = "cuts the model to the blocks of config.json, with one warning",
     .fewer_blocks = "leaves the others without weights and fails when it runs",
     .wider_ffn = "refuses it"},
    {.name = "FastVideo",
     .version = "0.2.1",
     .families = "wan",
     .grafted = "refuses them",
     .more_blocks = "refuses it",
     .fewer_blocks = "refuses it",
     .wider_ffn = "refuses it"},
    {.name = "sglang",
     .version = "0.5.23",
     .families = "wan",
     .grafted = "leaves them out, with a warning",
     .more_blocks = "cuts the model to the blocks of config.json, with a warning",
     .wider_ffn = "takes the first neurons of the file, without a word"},
    {.name = "vllm-omni",
     .version = "0.30.0",
     .families = "wan",
     .grafted = "leaves them out, with a warning",
     .more_blocks = "cuts the model to the blocks of config.json, with warnings that leave out q, k and v",
     .wider_ffn = "takes the first neurons of the file, without a word"},
    {.name = "ComfyUI",
     .version = "0.3.64",
     .families = "wan",
     .sizes = Consumer::Sizes::names,
     .computes = "heads = hidden/128",
     .loads = detail::native,
     .grafted = "leaves them out, with a line in the log"},
    {.name = "DiffSynth",
     .version = "2.1.12",
     .families = "wan",
     .sizes = Consumer::Sizes::table,
     .loads = "refuses it unless an entry of its MODEL_CONFIGS has the hash of these names and shapes",
     .grafted = "refuses them; with disk offload leaves them out"},
    {.name = "ComfyUI",
     .version = detail::comfy,
     .families = "wan_vace",
     .sizes = Consumer::Sizes::names,
     .computes = "heads = hidden/128",
     .loads = detail::counted,
     .ran = false},
    {.name = "ComfyUI",
     .version = detail::comfy,
     .families = "hunyuan_video hunyuan_video15 flux",
     .sizes = Consumer::Sizes::names,
     .computes = "heads = hidden/128, ffn = 4*hidden",
     .loads = detail::counted,
     .ran = false},
    {.name = "ComfyUI",
     .version = detail::comfy,
     .families = "flux2",
     .sizes = Consumer::Sizes::names,
     .computes = "heads = hidden/128, ffn = 3*hidden",
     .loads = detail::counted,
     .ran = false},
    {.name = "ComfyUI",
     .version = detail::comfy,
     .families = "ltx_video ltx2",
     .sizes = Consumer::Sizes::names,
     .computes = "heads = 32",
     .loads = detail::counted,
     .ran = false},
    {.name = "ComfyUI",
     .version = detail::comfy,
     .families = "cogvideox",
     .sizes = Consumer::Sizes::names,
     .computes = "heads = hidden/64",
     .loads = detail::counted,
     .ran = false},
    {.name = "ComfyUI",
     .version = detail::comfy,
     .families = "minimax_h3",
     .sizes = Consumer::Sizes::names,
     .loads = detail::counted,
     .ran = false},
    {.name = "ComfyUI",
     .version = detail::comfy,
     .families = "sd3",
     .sizes = Consumer::Sizes::names,
     .computes = "transformer_blocks = hidden/64",
     .loads = detail::counted,
     .ran = false},
    {.name = "ComfyUI",
     .version = detail::comfy,
     .families = "z_image",
     .sizes = Consumer::Sizes::names,
     .computes = "hidden = 3840, heads = 30",
     .loads = detail::counted,
     .ran = false},
    {.name = "ComfyUI",
     .version = detail::comfy,
     .families = "mochi",
     .sizes = Consumer::Sizes::table,
     .computes = "transformer_blocks = 48, hidden = 3072, text_hidden = 1536, heads = 24",
     .loads = detail::taken,
     .ran = false},
};

namespace detail {

/// "heads = hidden/128, ffn = 4*hidden".
inline std::vector<StockRule> equations(std::string_view text) {
  std::vector<StockRule> all;
  if (text.empty()) return all;
  for (const auto& part : split_at(text, ',')) {
    const auto sides = split_at(part, '=');
    all.push_back({.name = std::string(trimmed(sides.at(0))),
                   .value = Expression::parse(trimmed(sides.at(1)), "consumers.hpp"),
                   .because = {}});
  }
  return all;
}

/// "the class has no config key for it: ffn is 160 where it computes 80"; empty when every rule holds.
inline std::string broken(const std::vector<StockRule>& rules, const Sizes& sizes) {
  std::string text;
  for (const auto& rule : rules) {
    const auto has = sizes.find(rule.name);
    const auto computed = rule.value.value(sizes);
    if (has == sizes.end() || !computed || *computed == has->second) continue;
    text += (text.empty() ? "" : ", ") + rule.because + (rule.because.empty() ? "" : ": ") + rule.name + " is " +
            std::to_string(has->second) + " where it computes " + std::to_string(*computed);
  }
  return text;
}

/// What a program that reads config.json makes of one that says another size than the file.
inline std::string_view stale(const Consumer& c, const Contradiction& key, const Schema& schema) {
  for (const auto& stack : schema.stacks)
    if (stack.size_name() == key.size) return key.file > key.says ? c.more_blocks : c.fewer_blocks;
  return key.size == "ffn" && key.file > key.says ? c.wider_ffn : std::string_view{};
}

/// "; grafted tensors: refuses them", for a model that was given some.
inline std::string of_grafts(const Consumer& c, const Schema& schema) {
  const bool any =
      std::any_of(schema.grafts.begin(), schema.grafts.end(), [](const auto& g) { return !g.tensors.empty(); });
  return any ? "; the tensors of grafts: " + std::string(c.grafted.empty() ? "not tried" : c.grafted) : "";
}

}  // namespace detail

/// What each program would do with a folder of this family and schema (read with Trust::file where config.json
/// contradicts it). Programs that read config.json of diffusers are left out for a file with other names than those.
inline std::vector<Consumption> consumptions(const Family& family, const Names& names, const Schema& schema,
                                             const std::vector<Contradiction>& stale = {}) {
  std::vector<Consumption> all;
  const Sizes sizes = schema.sizes();
  const auto* layout = family.fit(names).layout;
  for (const auto& c : consumers) {
    const auto families = detail::split_at(c.families, ' ');
    if (std::find(families.begin(), families.end(), family.name()) == families.end()) continue;
    const bool reads_config = c.sizes == Consumer::Sizes::config;
    if (reads_config && layout && !layout->rename.empty()) continue;
    std::string does;
    for (const auto& key : reads_config ? stale : std::vector<Contradiction>{}) {
      const auto one = detail::stale(c, key, schema);
      does += (does.empty() ? "'" : "; '") + key.key + "': " + std::string(one.empty() ? "not tried" : one);
    }
    const bool upstream = c.families == detail::in_diffusers;
    if (does.empty())
      if (const auto why = detail::broken(upstream ? schema.stock : detail::equations(c.computes), sizes); !why.empty())
        does = (upstream ? "cannot load it: " : "takes it for another model: ") + why;
    for (const auto& g : schema.grafts)
      if (does.empty() && !g.replaces.empty())
        does = "cannot run it: it has no '" + g.name + "', which took the place of '" + g.replaces[0] + "'";
    if (does.empty()) does = std::string(c.loads) + detail::of_grafts(c, schema);
    all.push_back({.consumer = &c, .does = does + (c.ran ? "" : " (by its source, not run)")});
  }
  return all;
}

}  // namespace modelgrow::inline v0
