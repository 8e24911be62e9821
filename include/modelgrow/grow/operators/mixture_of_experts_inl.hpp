// SPDX-License-Identifier: MIT
// The definitions of mixture_of_experts.hpp.
#pragma once
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/fields_text.hpp>
#include <modelgrow/families/tensor_line.hpp>
#include <modelgrow/grow/feasible.hpp>
#include <modelgrow/grow/operators/mixture_of_experts.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE void MixtureOfExperts::apply(Plan& plan) const {
  if (const auto what = MixtureOptions{.experts = experts, .active = active}.problem(); !what.empty())
    throw plan_error("MixtureOfExperts: " + what);
  const Schema& now = plan.schema();
  if (now.space(space).rules.copies != Copies::any || plan.tied(space).size() > 1)
    throw plan_error(
        "MixtureOfExperts: '" + space + "' of family '" + now.family +
        "' are no units inside of a feed-forward layer, which sees each token alone; expected ffn or like");
  const std::string wanted = stack.empty() ? "" : now.stack(stack).name;
  Upcycle verb{.routers = {}, .experts = experts, .seed = seed, .graft = record_of(now)};
  std::string why, able;
  for (const auto& s : now.stacks) {
    if (!wanted.empty() && s.name != wanted) continue;
    const Layers layers = layers_in(now, s);
    std::string here;
    for (const auto& layer : layers)
      if (here.empty()) here = obstacle(layer);
    if (why.empty()) why = here;
    if (layers.empty() || !here.empty()) continue;
    able += (able.empty() ? "" : ", ") + s.size_name();
    for (const auto& layer : layers) verb.routers.push_back(router_of(layer));
    put_lines(verb.graft, s, layers);
  }
  if (!why.empty())
    throw plan_error("MixtureOfExperts: " + why +
                     (able.empty() ? "" : "; name in .stack one whose layers can be copied: " + able));
  if (verb.routers.empty())
    throw plan_error("MixtureOfExperts: no block of family '" + now.family + "' has a layer with units of '" + space +
                     "'; name in .space those inside of its feed-forward layers");
  plan.say(verb);
}

MODELGROW_INLINE MixtureOfExperts::Layers MixtureOfExperts::layers_in(const Schema& schema, const StackSpec& in) const {
  Layers all;
  for (const auto& p : schema.parameters)
    if (const auto b = block_name(p.name, in.name))
      all[in_block(in.name, b->block, detail::first_part(b->rest))].push_back(&p);
  std::erase_if(all, [&](const auto& layer) {
    for (const auto* p : layer.second)
      for (const auto& a : p->info.axes)
        if (a.extent.mentions(space)) return false;
    return true;
  });
  return all;
}

MODELGROW_INLINE std::string MixtureOfExperts::obstacle(const Layers::value_type& layer) const {
  bool reads = false, writes = false;
  for (const auto* p : layer.second) {
    if (p->name.starts_with(layer.first + ".experts.")) return "'" + layer.first + "' is a mixture of experts already";
    for (const auto& a : p->info.axes) {
      if (!a.extent.mentions(space)) continue;
      for (const auto& term : a.extent.terms())
        if (term.back().name != space ||
            std::any_of(term.begin(), term.end() - 1, [](const Space& f) { return !f.name.empty(); }))
          return "'" + p->name + "' is of more than a feed-forward layer, with the axis " + to_string(a.extent) +
                 ", and cannot be copied for it alone";
      reads |= a.role == Role::in;
      writes |= a.role == Role::out && p->info.axes.size() > 1;
    }
  }
  return reads && writes ? ""
                         : "'" + layer.first + "' is a part of a feed-forward layer only, " +
                               (writes ? "read by" : "written by") + " another module";
}

MODELGROW_INLINE ParamSpec MixtureOfExperts::router_of(const Layers::value_type& layer) const {
  ParamSpec router{.name = layer.first + ".router.weight",
                   .dtype = DType::f32,
                   .info = {.axes = {fixed(experts)}, .init = Init::normal(0.02)}};
  for (const auto* p : layer.second) {
    const auto& axes = p->info.axes;
    if (axes.size() < 2 || axes[0].role != Role::out || !axes[0].extent.mentions(space)) continue;
    router.info.axes.push_back(in(axes[1].extent));
    if (is_arithmetic_float(p->dtype)) router.dtype = p->dtype;
    break;
  }
  return router;
}

/// Layers of other spaces or stacks join a record, if they are mixed alike.
MODELGROW_INLINE GraftRecord MixtureOfExperts::record_of(const Schema& schema) const {
  const GraftRecord mine{
      .name = std::string(name),
      .options = detail::values_text(detail::changed_fields(MixtureOptions{.experts = experts, .active = active})),
      .tensors = {}};
  for (const auto& g : schema.grafts) {
    if (g.name != name) continue;
    const auto has = detail::options_from<MixtureOptions>(detail::read_values(g.options, g.name), g.name);
    if (has.experts != experts || has.active != active)
      throw plan_error("MixtureOfExperts: the model has mixtures with " + g.options + "; others, with " + mine.options +
                       ", cannot be recorded beside them");
    return g;
  }
  return mine;
}

MODELGROW_INLINE void MixtureOfExperts::put_lines(GraftRecord& record, const StackSpec& of,
                                                  const Layers& layers) const {
  struct Line {
    std::string pattern, axes;
    std::int64_t blocks = 0;
    bool last = false;
  };
  std::vector<Line> lines;
  const std::string begin = of.size_name() + ".{}.";
  const auto put = [&](std::string_view rest, std::int64_t block, const ParamInfo& info) {
    auto it =
        std::find_if(lines.begin(), lines.end(), [&](const Line& l) { return l.pattern == begin + std::string(rest); });
    if (it == lines.end())
      it = lines.insert(it, Line{.pattern = begin + std::string(rest), .axes = detail::line_of(info)});
    ++it->blocks;
    it->last |= block + 1 == of.count;
  };
  std::string numbers;
  for (std::int64_t e = 0; e < experts; ++e) numbers += (e ? "," : "{") + std::to_string(e);
  std::vector<std::string> gone;
  for (const auto& layer : layers) {
    const auto at = block_name(layer.second[0]->name, of.name);
    const std::string module = detail::first_part(at->rest);
    for (const auto* p : layer.second) {
      const std::string rest = p->name.substr(layer.first.size() + 1), whole = begin + module + "." + rest;
      put(module + ".experts." + numbers + "}." + rest, at->block, p->info);
      if (std::find(gone.begin(), gone.end(), whole) == gone.end()) gone.push_back(whole);
    }
    const ParamSpec router = router_of(layer);
    put(module + ".router.weight", at->block, router.info);
  }
  for (const auto& l : lines) {
    const std::string where = l.blocks == of.count                  ? ""
                              : l.blocks == 1 && l.last             ? "only_last"
                              : l.blocks + 1 == of.count && !l.last ? "not_last"
                                                                    : "optional";
    const std::string sign = where.empty() ? "" : l.axes.find(';') == l.axes.npos ? "; " : ", ";
    record.tensors.emplace_back(l.pattern, l.axes + sign + where);
  }
  record.replaces.insert(record.replaces.end(), gone.begin(), gone.end());
}

}  // namespace modelgrow::inline v0
