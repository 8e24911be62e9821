// SPDX-License-Identifier: MIT
// Where the parameters of a grown model stand in the order of torch's modules, told by the order of the old ones:
// modules that stay keep their places, and blocks of a list stand one behind the other, each in the order of its kind.
#pragma once
#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <modelgrow/grow/blocks.hpp>
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0::detail {

/// Compares parameters by their places.
class ParameterOrder {
 public:
  /// Where the stack or the parameter itself begins, the block, and the place within blocks of its stack.
  using Place = std::array<std::int64_t, 3>;

  /// `old` are names of the source of the plan, in torch's order.
  ParameterOrder(const Plan& plan, const std::vector<std::string>& old) : plan_(plan) {
    for (std::size_t i = 0; i < old.size(); ++i) {
      const auto at = std::int64_t(i);
      const auto in = stack_of(plan.source(), old[i]);
      first_.emplace(old[i], at);
      if (!in) continue;
      stacks_.emplace(in->stack, at);
      in_block_.emplace(in->stack + "." + in->rest, at);
    }
    bool all = true;
    for (std::size_t i = 1; i < old.size() && all; ++i)
      all = place(plan.source(), old[i - 1], old[i - 1]) < place(plan.source(), old[i], old[i]);
    by_blocks_ = all;
  }

  /// Whether the old order is one of modules; of any other, nobody knows where new blocks stand.
  bool by_blocks() const { return by_blocks_; }

  /// The place of a grown parameter that is made of `source`, which is one of the old ones.
  Place place(const std::string& grown, const std::string& source) const {
    return place(plan_.schema(), grown, source);
  }

 private:
  struct InStack {
    std::string stack, rest;
    std::int64_t block;
  };
  static std::optional<InStack> stack_of(const Schema& schema, std::string_view name) {
    for (const auto& s : schema.stacks)
      if (const auto in = block_name(name, s.name))
        return InStack{.stack = s.name, .rest = std::string(in->rest), .block = in->block};
    return std::nullopt;
  }
  Place place(const Schema& schema, const std::string& name, const std::string& source) const {
    const auto now = stack_of(schema, name), before = stack_of(plan_.source(), source);
    if (!by_blocks_ || !now || !before) return {first_.at(source), 0, 0};
    return {stacks_.at(before->stack), now->block, in_block_.at(before->stack + "." + before->rest)};
  }

  const Plan& plan_;
  std::map<std::string, std::int64_t> first_, stacks_, in_block_;
  bool by_blocks_ = true;
};

}  // namespace modelgrow::inline v0::detail
