// SPDX-License-Identifier: MIT
// The operators that can be called by name, on a command line or in a recipe.
#pragma once
#include <modelgrow/grow/operator_call.hpp>
#include <modelgrow/grow/operators/grow_channels.hpp>
#include <modelgrow/grow/operators/grow_head_dim.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/interpolate_positions.hpp>
#include <modelgrow/grow/operators/mixture_of_experts.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/operators/optimizer_policy.hpp>
#include <modelgrow/grow/operators/swap_text_encoder.hpp>
#include <modelgrow/grow/operators/zero_channels.hpp>

namespace modelgrow::inline v0 {

/// Add your own: `auto mine = known_operators(); mine.push_back(kind_of_operator<MyOperator>())`.
inline const std::vector<OperatorKind>& known_operators() {
  static const std::vector<OperatorKind> all{
      kind_of_operator<InsertBlocks>(),         kind_of_operator<Net2Wider>(),
      kind_of_operator<SwapTextEncoder>(),      kind_of_operator<ZeroChannels>(),
      kind_of_operator<GrowChannels>(),         kind_of_operator<GrowHeadDim>(),
      kind_of_operator<InterpolatePositions>(), kind_of_operator<MixtureOfExperts>(),
      kind_of_operator<OptimizerPolicy>(),      kind_of_operator<AllowApproximate>(),
      kind_of_operator<AcceptConditions>(),     kind_of_operator<AcceptUpstream>()};
  return all;
}

}  // namespace modelgrow::inline v0
