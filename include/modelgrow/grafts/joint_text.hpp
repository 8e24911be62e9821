// SPDX-License-Identifier: MIT
// Tokens of a second text encoder beside those of the first in one softmax, with a logit bias that a schedule raises
// from minus infinity (LogitAnneal).
#pragma once
#include <modelgrow/grafts/text_embedding.hpp>
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
