// SPDX-License-Identifier: MIT
// Tokens of a second text encoder beside those of the first in one softmax, with a logit bias that a schedule raises
// from minus infinity (LogitAnneal).
#pragma once
#include <cmath>
#include <limits>
#include <string>

#include <modelgrow/grafts/text_embedding.hpp>
#include <modelgrow/nn/initialise.hpp>
#include <modelgrow/nn/joint_attention.hpp>

namespace modelgrow::inline v0::grafts {

/// The first attention reads both texts. No parameter in the blocks; the weight of the new tokens is the zero factor,
/// which a schedule opens: the one graft that does not learn by itself.
template <class T, class D>
struct JointText {
  static constexpr std::string_view name = "JointText", port = "text", module = "joint_text";
  static constexpr std::string_view summary =
      "a second text encoder beside the first in one softmax; LogitAnneal opens it";
  using Options = TextOptions;
  struct Shared {
    TextEmbedding<T, D> text;
    TokenWeight<T, D> weight;
    Shared(const Port& p, const Options& o) : text(p, o) {}
    static void describe(auto& self, auto& v) {
      TextEmbedding<T, D>::describe(self.text, v);
      v.child("y_weight_2", self.weight);
    }
    void prepare(Tape<T, D>& tape, GraftContext<T, D>& c) {
      text.prepare(tape, c);
      c.token_weight = weight.weight.value;
    }
  };

  JointText(const Port&, const Options&) {}
  static void describe(auto&, auto&) {}
  Var<T, D> around(Tape<T, D>& tape, CrossAttention<T, D>& first, const Var<T, D>& x, const Var<T, D>& text,
                   const Tensor<std::int32_t, D>& lengths, const GraftContext<T, D>& c) {
    return attend_jointly(tape, first, x, text, lengths, c.tokens, c.text.lengths, c.token_weight);
  }
};

}  // namespace modelgrow::inline v0::grafts

namespace modelgrow::inline v0 {

/// Whether a model has a weight that a schedule of the trainer moves.
bool takes_schedule(const auto& model) {
  bool found = false;
  for_each_parameter(model, [&](const std::string&, const auto& p) { found |= p.info.purpose == Purpose::scheduled; });
  return found;
}

/// Raises the logit bias of a second text whose tokens stand beside those of the first (LogitAnneal). Throws
/// shape_error when there is none, and for what is no number below infinity.
void set_text_bias(auto& model, double bias) {
  if (!(bias < std::numeric_limits<double>::infinity()))
    throw shape_error("the logit bias of a second text is " + std::to_string(bias) +
                      "; expected a number, or minus infinity: LogitAnneal gives those between");
  if (!takes_schedule(model))
    throw shape_error(
        "no second text enters by concatenation, so there is no logit bias to set; graft one with "
        "Graft<grafts::JointText>");
  for_each_parameter(model, [&](const std::string&, auto& p) {
    if (p.info.purpose == Purpose::scheduled) assign(p.value, {std::exp(bias)});
  });
}

}  // namespace modelgrow::inline v0
