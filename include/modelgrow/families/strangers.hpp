// SPDX-License-Identifier: MIT
// Files that no family explains although somebody would expect it to: an adapter in the way, quantised weights, a
// layout that has to be converted first. The cause is worth more than a list of missing names.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/core/words.hpp>
#include <modelgrow/families/family.hpp>
#include <modelgrow/families/family_text.hpp>

namespace modelgrow::inline v0::detail {

/// "blocks.7.attn.weight" as "blocks.{}.attn.weight": every number is a block.
inline std::string any_block(std::string_view name) {
  auto parts = split_at(name, '.');
  for (auto& p : parts)
    if (all_digits(p)) p = "{}";
  return join(parts, '.');
}

/// What the file is and what to do; empty when no cause is known.
inline std::string stranger(const Names& names, const std::vector<Family>& families) {
  for (const auto& n : names) {
    const std::string_view name = n.name;
    if (name.find(".base_layer.") != name.npos)
      return "the weights were saved with an adapter (LoRA) attached, as '" + n.name +
             "' shows; merge it into them (fuse_lora in diffusers, merge_and_unload in peft) and save again";
    for (const std::string_view end : {"_weight_qdata", ".weight._data", ".SCB", ".absmax"})
      if (name.ends_with(end))
        return "the weights are quantised, as '" + n.name +
               "' shows; parts of them would not add up: grow the weights that they were made from";
  }
  for (const auto& n : names) {
    const std::string pattern = any_block(n.name);
    for (const auto& family : families)
      for (const auto& [marker, advice] : family.text().layouts)
        if (pattern == marker)
          return "'" + n.name + "' is of another layout of family '" + family.name() + "': " + advice;
  }
  return {};
}

}  // namespace modelgrow::inline v0::detail
