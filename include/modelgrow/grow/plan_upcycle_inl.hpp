// SPDX-License-Identifier: MIT
// The verb that makes mixtures of experts (sparse upcycling, Komatsuzaki et al. 2022): experts are copies, and whatever
// router mixes them, by weights that add up to one, gives what the layer gave.
#pragma once
#include <map>
#include <optional>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/claims.hpp>
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE void Plan::upcycle(const Upcycle& verb) {
  const auto bad = [&](const std::string& what) { throw plan_error("cannot make a mixture of experts: " + what); };
  if (verb.routers.empty()) bad("no layer was named");
  if (verb.experts < 2 || verb.experts > 4096) bad(std::to_string(verb.experts) + " experts; expected 2 to 4096");
  const ParameterIndex old(schema_);
  std::map<std::string, std::size_t, std::less<>> routers;  // of each layer, "<layer>."
  for (const auto& router : verb.routers) {
    const std::string layer = layer_of(router.name);
    check_added(router, old, schema_);
    const bool linear = router.info.axes.size() == 2 && router.info.axes[0] == fixed(verb.experts) &&
                        router.info.axes[1].role == Role::in;
    if (!linear || router.info.init.kind == Init::Kind::zeros)
      bad("the router of '" + layer + "' has to be random and to have the axes 'fixed " + std::to_string(verb.experts) +
          "' and 'in': from zero it would send every token to the first experts for ever");
    if (!routers.emplace(layer + ".", routers.size()).second) bad("'" + layer + "' is named twice");
  }
  for (auto it = routers.begin(), next = it; it != routers.end() && ++next != routers.end(); it = next)
    if (next->first.starts_with(it->first))  // in order, what lies in a layer stands right behind it
      bad("'" + layer_of(verb.routers[next->second].name) + "' lies in '" + layer_of(verb.routers[it->second].name) +
          "'");
  const auto mixed = [&](const ParamSpec& p) {  // by which router
    auto it = routers.upper_bound(p.name);
    return it != routers.begin() && p.name.starts_with((--it)->first) ? std::optional(it->second) : std::nullopt;
  };
  std::vector<std::vector<std::size_t>> tensors(routers.size());  // of each layer
  for (std::size_t i = 0; i < schema_.parameters.size(); ++i)
    if (const auto r = mixed(schema_.parameters[i])) tensors[*r].push_back(i);
  for (std::size_t r = 0; r < tensors.size(); ++r)
    if (tensors[r].empty()) bad("there is no layer '" + layer_of(verb.routers[r].name) + "'");

  Schema next = schema_;
  next.parameters.clear();
  std::vector<Origin> origins;
  const auto put = [&](ParamSpec p, Origin o) {
    next.parameters.push_back(std::move(p));
    origins.push_back(std::move(o));
  };
  const auto put_mixture = [&](std::size_t r) {
    const std::string layer = layer_of(verb.routers[r].name);
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
  for (std::size_t i = 0; i < schema_.parameters.size(); ++i)
    if (const auto r = mixed(schema_.parameters[i]); !r)
      put(schema_.parameters[i], origins_[i]);
    else if (i == tensors[*r][0])
      put_mixture(*r);
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
