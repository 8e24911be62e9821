// SPDX-License-Identifier: MIT
// ZeroChannels (Gesmundo and Maile 2023, section 3.5): new channels of the residual stream that nothing writes at
// first. Exact at any size where all norms across the stream are RMSNorms: their gains and epsilons make up for zeros.
#pragma once
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// What writes the new channels starts at zero; what reads them, and gates and scales them, is as of old channels.
struct ZeroChannels {
  static constexpr std::string_view name = "ZeroChannels";
  static constexpr std::string_view summary =
      "wider at any size: channels that start at zero, where norms are RMSNorms";
  std::string space = "hidden";
  std::int64_t to = 0;

  static void describe(auto& self, auto& v) {
    v("space", self.space, "the residual stream");
    v("to", self.to, "new number of channels");
  }

  /// Throws plan_error for a space that feels channels of zeros, and for a size that does not widen it.
  void apply(Plan& plan) const;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/operators/zero_channels_inl.hpp>
#endif
