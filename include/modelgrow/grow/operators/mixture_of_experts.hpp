// SPDX-License-Identifier: MIT
// MixtureOfExperts (sparse upcycling, Komatsuzaki et al. 2022): every feed-forward layer becomes experts, copies of it,
// and a router that chooses some of them for each token. More parameters for the same computation a token.
#pragma once
#include <map>

#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// What is recorded of a mixture.
struct MixtureOptions {
  std::int64_t experts = 0, active = 0;
  static void describe(auto& self, auto& v) {
    v("experts", self.experts, "copies of each layer");
    v("active", self.active, "experts that see a token");
  }
  static constexpr std::int64_t most = 4096;  // more than any model has: a slip in a number
  /// What is wrong with the numbers; empty: nothing.
  std::string problem() const {
    if (experts < 2 || experts > most)
      return std::to_string(experts) + " experts; expected .experts of 2 to " + std::to_string(most);
    if (active < 1 || active > experts)
      return std::to_string(active) + " of " + std::to_string(experts) +
             " experts see a token; expected .active of 1 to " + std::to_string(experts);
    return {};
  }
};

/// A token goes to the `active` experts of the largest logits, and their outputs are mixed by the softmax over these
/// logits alone: weights that add up to one, so that equal experts give what the layer gave, whatever the router. The
/// router is random, since it tells the experts apart: they see other tokens by other weights, and part at the first
/// step; its own gradient begins where they differ. With one active expert its weight is always one, and only a
/// balancing loss moves the router.
struct MixtureOfExperts {
  static constexpr std::string_view name = "MixtureOfExperts";
  static constexpr std::string_view summary = "feed-forward layers become experts, some of which see each token";
  std::int64_t experts = 0;
  std::int64_t active = 2;
  std::string space = "ffn";
  std::string stack = {};
  std::uint64_t seed = 0;

  static void describe(auto& self, auto& v) {
    v("experts", self.experts, "copies of each layer");
    v("active", self.active, "experts that see a token");
    v("space", self.space, "the units inside of the layers: ffn, or what else the family has");
    v("stack", self.stack, "may stay empty: every stack that has such layers");
    v("seed", self.seed, "of the routers");
  }

  /// Throws plan_error for numbers that make no sense, layers that are mixtures already, and layers that share a matrix
  /// with others.
  void apply(Plan& plan) const;

 private:
  using Layers = std::map<std::string, std::vector<const ParamSpec*>>;  // "blocks.0.mlp" -> its tensors
  /// The layers of a stack that have units of the space.
  Layers layers_in(const Schema& schema, const StackSpec& stack) const;
  /// Why a layer cannot be copied by itself; empty: it can.
  std::string obstacle(const Layers::value_type& layer) const;
  ParamSpec router_of(const Layers::value_type& layer) const;
  GraftRecord record_of(const Schema& schema) const;
  void put_lines(GraftRecord& record, const StackSpec& stack, const Layers& layers) const;
};

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/operators/mixture_of_experts_inl.hpp>
#endif
