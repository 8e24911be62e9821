// SPDX-License-Identifier: MIT
// Names of the form "<stack>.<block>.<rest>", and how they change when blocks are inserted.
#pragma once
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace modelgrow::inline v0 {

/// A parameter name seen as part of a block of a stack.
struct BlockName {
  std::int64_t block = 0;
  std::string_view rest;  // "attn.proj.weight"
};

/// Nothing when the name does not lie in a block of that stack.
inline std::optional<BlockName> block_name(std::string_view name, std::string_view stack) {
  if (!name.starts_with(stack) || name.size() <= stack.size() || name[stack.size()] != '.') return std::nullopt;
  const std::string_view tail = name.substr(stack.size() + 1);
  BlockName r;
  const auto [end, bad] = std::from_chars(tail.data(), tail.data() + tail.size(), r.block);
  if (bad != std::errc() || end == tail.data() + tail.size() || *end != '.' || r.block < 0) return std::nullopt;
  r.rest = tail.substr(std::size_t(end - tail.data()) + 1);
  return r;
}

inline std::string in_block(std::string_view stack, std::int64_t block, std::string_view rest) {
  return std::string(stack) + "." + std::to_string(block) + "." + std::string(rest);
}

}  // namespace modelgrow::inline v0
