// SPDX-License-Identifier: MIT
// The model that plans and recipes grow: a text of everything that operators ask for, in twenty tensors.
#pragma once
#include <modelgrow/families/family.hpp>
#include <tests/fuzz/support/fitting.hpp>

namespace modelgrow::testing {

inline constexpr std::string_view small_family = R"json({
 "family": "small",
 "config": {
  "heads": "heads", "head_dim": "head_dim", "in_channels": "in_channels", "ratio": "ffn/hidden",
  "eps": {"epsilon": "hidden"}, "marked": {"blocks": "blocks", "with": "mark.weight"}
 },
 "spaces": {
  "hidden": {"copies": "uniform", "because": "a norm runs over it", "norms": "rms"},
  "heads": {},
  "ffn": {},
  "head_dim": {"copies": "in_heads", "norms": "rms", "rotary": "halves"},
  "in_channels": {"copies": "channels"},
  "frames": {"copies": "positions"}
 },
 "stock": {"ffn": "4*hidden"},
 "stacks": {"blocks": {"stream": "hidden"}},
 "ports": {"temporal": {"stack": "blocks"}, "text": {"stack": "blocks"}, "time": {}},
 "text_input": {"width": "text_dim"},
 "tensors": {
  "embed.{weight,bias}": "out hidden, in in_channels",
  "text.{weight,bias}": "out hidden, fixed text_dim",
  "positions": "each frames, each hidden; buffer",
  "blocks.{}.attn.{to_q,to_k}.weight": "out heads*head_dim, in hidden",
  "blocks.{}.attn.norm_q.weight": "each head_dim; gain, query",
  "blocks.{}.attn.norm_k.weight": "each head_dim; gain",
  "blocks.{}.attn.to_v.weight": "out heads*head_dim, in hidden",
  "blocks.{}.attn.out.weight": "out hidden, in heads*head_dim; closes",
  "blocks.{}.ffn.up.{weight,bias}": "out ffn, in hidden",
  "blocks.{}.ffn.down.weight": "out hidden, in ffn; closes",
  "blocks.{}.mark.weight": "each hidden; not_last",
  "head.weight": "out 3*in_channels, in hidden"
 }
})json";

inline const Schema& small_model() {
  static const Schema schema = [] {
    const Family family(small_family);
    const Names names = fitting_names(family.text(), {{"hidden", 12}, {"heads", 3}, {"head_dim", 4}, {"ffn", 10}});
    return family.schema(names, R"({"heads": 3, "head_dim": 4, "in_channels": 2, "eps": 1e-6, "marked": [0]})",
                         "small");
  }();
  return schema;
}

}  // namespace modelgrow::testing
