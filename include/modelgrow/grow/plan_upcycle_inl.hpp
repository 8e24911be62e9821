// SPDX-License-Identifier: MIT
// The verb that makes mixtures of experts (sparse upcycling, Komatsuzaki et al. 2022): experts are copies, and whatever
// router mixes them, by weights that add up to one, gives what the layer gave.
#pragma once
#include <map>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/claims.hpp>
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE void Plan::upcycle(const Upcycle& verb) {
  const auto bad = [&](const std::string& what) { throw plan_error("cannot make a mixture of experts: " + what); };
  if (verb.routers.empty()) bad("no layer was named");
  if (verb.experts < 2 || verb.experts > 4096) bad(std::to_string(verb.experts) + " experts; expected 2 to 4096");
  std::map<std::string, std::size_t> routers;  // of each layer
  for (const auto& router : verb.routers) {
    const std::string layer = layer_of(router.name);
    check_added(router, schema_);
    const bool linear = router.info.axes.size() == 2 && router.info.axes[0] == fixed(verb.experts) &&
                        router.info.axes[1].role == Role::in;
    if (!linear || router.info.init.kind == Init::Kind::zeros)
      bad("the router of '" + layer + "' has to be random and to have the axes 'fixed " + std::to_string(verb.experts) +
          "' and 'in': from zero it would send every token to the first experts for ever");
    if (!routers.emplace(layer, routers.size()).second) bad("'" + layer + "' is named twice");
  }
  for (auto it = routers.begin(); it != routers.end(); ++it)
    for (auto inner = std::next(it); inner != routers.end(); ++inner)
      if (inner->first.starts_with(it->first + ".")) bad("'" + inner->first + "' lies in '" + it->first + "'");
  std::vector<std::vector<std::size_t>> tensors(routers.size());  // of each layer
  for (std::size_t i = 0; i < schema_.parameters.size(); ++i)
    for (const auto& [layer, r] : routers)
      if (schema_.parameters[i].name.starts_with(layer + ".")) tensors[r].push_back(i);
  for (const auto& [layer, r] : routers)
    if (tensors[r].empty()) bad("there is no layer '" + layer + "'");

  Schema next = schema_;
  next.parameters.clear();
  std::vector<Origin> origins;
  const auto put = [&](ParamSpec p, Origin o) {
    next.parameters.push_back(std::move(p));
    origins.push_back(std::move(o));
  };
  const auto put_mixture = [&](const std::string& layer, std::size_t r) {
    for (std::int64_t e = 0; e < verb.experts; ++e)
      for (const auto i : tensors[r]) {
        ParamSpec p = schema_.parameters[i];
        p.name = in_expert(layer, e, p.name);
        Origin o = origins_[i];
        o.share /= double(verb.experts);
        put(std::move(p), std::move(o));
      }
    put(verb.routers[r],
        Origin{.step = std::int64_t(steps_.size()), .added = std::int64_t(r), .touches = {}, .fresh = true});
  };
  for (std::size_t i = 0; i < schema_.parameters.size(); ++i) {
    bool mixed = false;
    for (const auto& [layer, r] : routers) {
      if (!schema_.parameters[i].name.starts_with(layer + ".")) continue;
      mixed = true;
      if (i == tensors[r][0]) put_mixture(layer, r);
    }
    if (!mixed) put(schema_.parameters[i], origins_[i]);
  }
  record(next, verb.graft);
  const std::string n = std::to_string(verb.experts);
  push(verb,
       "make " + layer_of(verb.routers[0].name) +
           (verb.routers.size() == 1 ? "" : " and " + std::to_string(verb.routers.size() - 1) + " more layers") +
           " mixtures of " + n + " experts",
       Certificate{.reason = "experts are copies, mixed by weights that add up to one"},
       detail::approximate("each expert sees the gradients of its own tokens, in the mean 1/" + n +
                           " of all, which is what it gets of the moments"));
  schema_ = std::move(next);
  origins_ = std::move(origins);
}

}  // namespace modelgrow::inline v0
