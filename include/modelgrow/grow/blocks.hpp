// SPDX-License-Identifier: MIT
// Names of the form "<stack>.<block>.<rest>", and how they change when blocks are inserted.
#pragma once
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/core/schema.hpp>
#include <modelgrow/core/words.hpp>

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

/// "blocks.0.mlp" of "blocks.0.mlp.router.weight"; throws plan_error for a name of no router.
inline std::string layer_of(std::string_view router) {
  constexpr std::string_view end = ".router.weight";
  if (!router.ends_with(end) || router.size() == end.size())
    throw plan_error("'" + std::string(router) + "' is no name of a router; expected '<layer>.router.weight'");
  return std::string(router.substr(0, router.size() - end.size()));
}
/// "blocks.0.mlp.experts.3.fc1.weight" of "blocks.0.mlp.fc1.weight", a tensor of layer "blocks.0.mlp".
inline std::string in_expert(const std::string& layer, std::int64_t expert, std::string_view name) {
  return in_block(layer + ".experts", expert, name.substr(layer.size() + 1));
}

/// A range of rows: of the first axis of a tensor.
struct Rows {
  std::int64_t begin = 0, end = 0;
  bool operator==(const Rows&) const = default;
};

namespace detail {

inline std::string quote(std::string_view s) { return "'" + std::string(s) + "'"; }

/// "0, 1, 2, 5" as "0-2,5", and "1, 3, 5, 7, 9" as "1,3..9".
inline std::string ranges(const std::vector<std::int64_t>& v) {
  std::string text;
  for (std::size_t i = 0; i < v.size();) {
    const std::int64_t step = i + 1 < v.size() ? v[i + 1] - v[i] : 1;
    std::size_t j = i;
    while (j + 1 < v.size() && v[j + 1] - v[j] == step) ++j;
    if (step > 1 && j < i + 3) j = i;  // too few to be a rule
    text += (text.empty() ? "" : ",") + std::to_string(v[i]);
    if (j > i) text += step == 1 ? "-" : "," + std::to_string(v[i + 1]) + "..";
    if (j > i) text += std::to_string(v[j]);
    i = j + 1;
  }
  return text;
}

/// The module that a name lies in: its first part ("attn1" of "attn1.to_out.0.weight").
inline std::string first_part(std::string_view rest) { return std::string(rest.substr(0, rest.find('.'))); }

/// Throws plan_error for chunks that an axis does not have.
inline std::vector<Rows> rows_of(const std::vector<std::int64_t>& chunks, const Axes& axes, const std::string& name) {
  const auto sizes = axes.empty() ? std::vector<std::int64_t>{} : chunks_of(axes[0].extent);
  std::vector<Rows> rows;
  for (const auto c : chunks) {
    if (c < 0 || c >= std::int64_t(sizes.size()))
      throw plan_error("parameter " + quote(name) + " closes by chunk " + std::to_string(c) + "; its first axis has " +
                       std::to_string(sizes.size()));
    Rows r;
    for (std::int64_t k = 0; k < c; ++k) r.begin += sizes[std::size_t(k)];
    r.end = r.begin + sizes[std::size_t(c)];
    rows.push_back(r);
  }
  return rows;
}

/// The rows of a parameter that close a branch; none: all of it does, or nothing.
inline std::vector<Rows> gate_rows(const ParamSpec& p) {
  std::vector<Rows> all;
  for (const auto& gates : p.info.stream.gates)
    for (const auto& r : rows_of(gates.chunks, p.info.axes, p.name)) all.push_back(r);
  return all;
}

/// Whether all of a parameter is zero when its branch is closed.
inline bool closes_whole(const ParamInfo& info) { return closes_branch(info.purpose) && info.stream.gates.empty(); }

}  // namespace detail

}  // namespace modelgrow::inline v0
