// SPDX-License-Identifier: MIT
// The definitions of torch_growth.hpp.
#pragma once
#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include <modelgrow/checkpoint/torch_optimizer.hpp>
#include <modelgrow/grow/checkpoint_set.hpp>
#include <modelgrow/grow/made_tensor.hpp>
#include <modelgrow/grow/optimizer_outputs.hpp>
#include <modelgrow/grow/optimizers/rate_groups.hpp>
#include <modelgrow/grow/own_groups.hpp>
#include <modelgrow/grow/packed_state.hpp>
#include <modelgrow/grow/parameter_order.hpp>
#include <modelgrow/grow/torch_growth.hpp>

namespace modelgrow::inline v0 {

namespace detail {

inline Optimizer optimizer_of(const StoredOptimizer& state) {
  std::size_t i = 0;
  while (name(static_cast<Optimizer>(i)) != state.is.kind->word) ++i;
  return static_cast<Optimizer>(i);
}
inline std::vector<std::string> names_in(const StoredOptimizer& state) {
  std::vector<std::string> names;
  for (const auto& p : state.parameters) names.push_back(p.name);
  return names;
}

MODELGROW_INLINE void check_elementwise(const StoredOptimizer& state) {
  const auto& rule = rule_of(optimizer_of(state));
  const bool orthogonal = rule.step == StepLike::orthogonal || rule.step == StepLike::orthogonal_rms;
  const auto element = [](const StateEntry& e) { return e.form == EntryForm::whole || e.form == EntryForm::number; };
  if (orthogonal || rule.step == StepLike::weights || !std::ranges::all_of(rule.entries, element))
    throw format_error(state.source + ": " + state.is.title +
                       " takes means over tensors or makes them orthogonal, and ZeRO gives it parts of rows of them: "
                       "how that grows nobody knows; write the weights as safetensors (modelgrow convert), and grow "
                       "these");
}

MODELGROW_INLINE TorchGrowth::TorchGrowth(const Plan& plan, const Part& part, const std::vector<Output>& outputs)
    : plan_(plan),
      part_(part),
      tensors_(plan, Contents::optimizer, set_of(part.in), outputs, "the grown state of " + part.torch->source) {
  std::vector<JoinedTensor> tensors;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    // what ZeRO joins, or is packed, is read several times, and proven when it is read back
    auto tensor = proven_later() ? made_tensor(plan, tensors_.old(), outputs[i]) : tensors_.tensor(i);
    const auto of = parse_state_name(tensor.name());
    if (of && !is_factor(of->entry)) {
      tensors.push_back(std::move(tensor));
    } else {  // factors stand in param_groups.json
      std::vector<std::byte> values(std::size_t(tensor.bytes()));
      tensor.read(0, values);
    }
  }
  if (part.torch->joined) check_elementwise(*part.torch);
  grown_ = regrouped(*part.torch, dealt(*part.torch), tensors);
  groups_ = {.optimizer = std::string(part.torch->is.kind->word), .before = names_in(*part.torch)};
  split();
  if (grown_.joined) grown_ = with_own_groups(grown_, groups_.splits);
  groups_.parameters = names_in(grown_);
}

/// The parameters of the grown model that are trained, group by group, each in torch's order.
MODELGROW_INLINE std::vector<GroupedParameter> TorchGrowth::dealt(const StoredOptimizer& old) const {
  const auto refuse = [&](const std::string& what) {
    throw format_error(old.source + ": " + what +
                       ", or leave the state behind (StateOptions::leave_behind, --leave-behind 'optimizer*')");
  };
  const auto recipes = plan_.recipes();
  for (const auto& r : recipes)
    if (is_trained(r.purpose) && r.source.empty())
      refuse("the growth adds '" + r.name + "', and nobody knows which number an optimizer of torch gives it; grow " +
             "without it");
  std::vector<GroupedParameter> all;
  for (std::size_t g = 0; g < old.groups.size(); ++g) {
    std::vector<std::string> before;
    for (const auto place : old.groups[g].parameters) before.push_back(old.parameters[place].name);
    const std::set<std::string_view> members(before.begin(), before.end());
    std::vector<const Recipe*> grown;
    bool renamed = false;
    for (const auto& r : recipes)
      if (is_trained(r.purpose) && members.contains(r.source)) {
        grown.push_back(&r);
        renamed |= r.name != r.source;
      }
    const ParameterOrder order(plan_, before);
    if (renamed && !order.by_blocks() && old.ids != StoredOptimizer::Ids::names)
      refuse("the parameters of group " + std::to_string(g) +
             " do not stand in the order of modules, so that nobody knows which numbers new ones have; give them to "
             "the optimizer as model.named_parameters() does");
    std::ranges::stable_sort(grown, {}, [&](const Recipe* r) { return order.place(r->name, r->source); });
    for (const auto* r : grown) all.push_back({.name = r->name, .group = g, .source = r->source});
  }
  return all;
}

/// What param_groups.json says: which parameters of each group take other settings.
MODELGROW_INLINE void TorchGrowth::split() {
  if (plan_.moves_state().multipliers == Rates::off) return;
  const auto rates = rate_groups(plan_, optimizer_of(grown_));
  std::map<std::string_view, const RateGroup*> factors;
  for (const auto& rate : rates.groups)
    for (const auto& parameter : rate.parameters) factors.emplace(parameter, &rate);
  for (std::size_t g = 0; g < grown_.groups.size(); ++g) {
    std::map<const RateGroup*, std::size_t> split_of;
    for (const auto place : grown_.groups[g].parameters) {
      const auto& parameter = grown_.parameters[place].name;
      const auto* f = factors.at(parameter);
      if (std::ranges::find(rates.uneven, parameter) != rates.uneven.end()) uneven_.push_back(parameter);
      if (f->rate == 1 && f->epsilon == 1 && f->decay == 1) continue;
      const auto [it, first] = split_of.emplace(f, groups_.splits.size());
      if (first) groups_.splits.push_back({.group = g, .rate = f->rate, .epsilon = f->epsilon, .decay = f->decay});
      groups_.splits[it->second].parameters.push_back(parameter);
    }
  }
}

/// Gives the parameters of a state the names that were promised. Throws check_error.
inline void name_as_promised(StoredOptimizer& state, const Part& part, const std::filesystem::path& path,
                             const ParamGroups& groups) {
  if (!state.is.kind) state.tell(part.torch->is.kind->word);
  if (groups.parameters.size() != state.parameters.size())
    throw check_error(path.string() + ": it has " + std::to_string(state.parameters.size()) + " parameters; " +
                      std::to_string(groups.parameters.size()) + " were promised");
  for (std::size_t i = 0; i < state.parameters.size(); ++i) {
    auto& p = state.parameters[i];
    if (state.ids == StoredOptimizer::Ids::names) {  // in no order
      if (!p.name.starts_with(part.torch->prefix))
        throw check_error(path.string() + ": parameter '" + p.name + "' is not named as the others");
      p.name.erase(0, part.torch->prefix.size());
      continue;
    }
    const auto& promised = groups.parameters[i];
    if (!p.name.empty() && p.name != part.torch->prefix + promised)
      throw check_error(path.string() + ": parameter " + std::to_string(i) + " is '" + p.name + "'; '" + promised +
                        "' was promised");
    p.name = promised;
  }
}

MODELGROW_INLINE FileCheck TorchGrowth::check(const std::filesystem::path& path, StoredOptimizer written,
                                              std::span<const std::uint64_t> places) {
  if (proven_later()) return check_torch_state(plan_, part_, path, std::move(written), groups_);
  name_as_promised(written, part_, path, groups_);
  check_places(written, grown_, places, path.string());
  const auto file = joined_file(path, written.tensors());
  return tensors_.check(
      TensorSet(file.tensors(), path.string(),
                TensorSet::Memory{.prepare = [&](auto bytes) { file.prepare(bytes); }, .release = {}}));
}

MODELGROW_INLINE FileCheck check_torch_state(const Plan& plan, const Part& part, const std::filesystem::path& path,
                                             const ParamGroups& groups) {
  return check_torch_state(plan, part, path, read_torch_optimizer(path), groups);
}

MODELGROW_INLINE FileCheck check_torch_state(const Plan& plan, const Part& part, const std::filesystem::path& path,
                                             StoredOptimizer state, const ParamGroups& groups) {
  name_as_promised(state, part, path, groups);
  const auto old = set_of(part.in);
  const auto outputs = optimizer_outputs(plan, old);
  const auto file = joined_file(path, made_again(plan, old, outputs, *part.torch, state, path.string()));
  std::vector<TensorView> views = file.tensors();
  std::deque<std::vector<std::byte>> counters;  // of new parameters, which are those of their groups in joined ones
  for (const auto& o : outputs)
    if (part.torch->joined && o.target.shape.rank() == 0 && o.kind != Output::Kind::copied &&
        o.kind != Output::Kind::recipe)
      if (const auto view = std::ranges::find(views, o.target.name, &TensorView::name); view != views.end()) {
        counters.push_back(o.values.empty() ? std::vector<std::byte>(view->bytes) : o.values);
        view->data = counters.back().data();
      }
  for (const auto& o : outputs)  // factors stand in param_groups.json
    if (const auto parsed = parse_state_name(o.target.name); parsed && is_factor(parsed->entry))
      views.push_back({.name = o.target.name,
                       .dtype = o.target.dtype,
                       .shape = o.target.shape,
                       .data = o.values.data(),
                       .bytes = o.values.size()});
  const TensorSet grown(views, path.string(),
                        TensorSet::Memory{.prepare = [&](auto bytes) { file.prepare(bytes); }, .release = {}});
  return check_optimizer(plan, old, grown);
}

}  // namespace detail

}  // namespace modelgrow::inline v0
