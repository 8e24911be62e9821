// SPDX-License-Identifier: MIT
// Names of optimizer state in a file: "adamw.<kind>.<parameter>".
#pragma once
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace modelgrow::inline v0 {

/// What a tensor of an optimizer file holds for one parameter; `master` are the weights in full precision, `anneal` the
/// steps after which the multipliers `lr` and `eps` are 1.
enum class OptimizerKind { m, v, master, step, lr, eps, anneal };

/// A name of an optimizer file, taken apart.
struct OptimizerName {
  OptimizerKind kind;
  std::string parameter;
};

namespace detail {
inline constexpr std::array<std::string_view, 7> optimizer_prefixes{
    "adamw.m.", "adamw.v.", "adamw.master.", "adamw.step.", "adamw.lr.", "adamw.eps.", "adamw.anneal."};
}
inline std::string optimizer_name(OptimizerKind kind, std::string_view parameter) {
  return std::string(detail::optimizer_prefixes[static_cast<std::size_t>(kind)]) + std::string(parameter);
}
/// Nothing for a name of another form.
inline std::optional<OptimizerName> parse_optimizer_name(std::string_view name) {
  for (std::size_t k = 0; k < detail::optimizer_prefixes.size(); ++k)
    if (const auto prefix = detail::optimizer_prefixes[k]; name.starts_with(prefix))
      return OptimizerName{.kind = static_cast<OptimizerKind>(k), .parameter = std::string(name.substr(prefix.size()))};
  return std::nullopt;
}

}  // namespace modelgrow::inline v0
