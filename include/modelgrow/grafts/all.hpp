// SPDX-License-Identifier: MIT
// The grafts that the library has, as a list of types.
#pragma once
#include <modelgrow/grafts/cross_text.hpp>
#include <modelgrow/grafts/decoupled_text.hpp>
#include <modelgrow/grafts/gated_text.hpp>
#include <modelgrow/grafts/graft.hpp>
#include <modelgrow/grafts/grafts_at.hpp>
#include <modelgrow/grafts/joint_text.hpp>
#include <modelgrow/grafts/pooled_caption.hpp>
#include <modelgrow/grafts/pooled_text.hpp>
#include <modelgrow/grafts/refiner.hpp>
#include <modelgrow/grafts/temporal_attention.hpp>
#include <modelgrow/grafts/temporal_conv.hpp>
#include <modelgrow/grafts/text_bias.hpp>

namespace modelgrow::inline v0 {

/// Calls f.template operator()<Layer>() for every graft of the library.
template <class F>
void for_each_graft(F&& f) {
  f.template operator()<grafts::TemporalConv>();
  f.template operator()<grafts::TemporalAttention>();
  f.template operator()<grafts::CrossText>();
  f.template operator()<grafts::GatedText>();
  f.template operator()<grafts::DecoupledText>();
  f.template operator()<grafts::JointText>();
  f.template operator()<grafts::PooledText>();
  f.template operator()<grafts::PooledCaption>();
  f.template operator()<grafts::Refiner>();
}

/// A port of a model that takes every graft of the library, and the parts of them that it has once.
template <class T, Device D>
using AnyGraftsAt =
    GraftsAt<T, D, grafts::TemporalConv, grafts::TemporalAttention, grafts::CrossText, grafts::GatedText,
             grafts::DecoupledText, grafts::JointText, grafts::PooledText, grafts::PooledCaption, grafts::Refiner>;
template <class T, Device D>
using AnySharedParts =
    SharedParts<T, D, grafts::CrossText, grafts::GatedText, grafts::DecoupledText, grafts::JointText>;

}  // namespace modelgrow::inline v0
