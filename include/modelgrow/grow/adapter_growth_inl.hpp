// SPDX-License-Identifier: MIT
// The definitions of adapter_growth.hpp.
#pragma once
#include <cstdio>
#include <map>
#include <set>

#include <modelgrow/checkpoint/adapter_names.hpp>
#include <modelgrow/checkpoint/writer.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/core/parallel.hpp>
#include <modelgrow/grow/adapter_growth.hpp>
#include <modelgrow/grow/low_rank.hpp>
#include <modelgrow/grow/proof_feed.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// The tensors of a grown model: those of the schema, and those that it does not know, behind their blocks.
inline Names grown_names(const Plan& plan, const Names& model) {
  std::vector<NamedShape> all;
  for (const auto& t : names_of(plan.schema())) all.push_back(t);
  const ParameterIndex known(plan.source());
  for (const auto& t : model)
    if (!known.find(t.name)) {
      all.push_back(t);
      all.back().name = plan.follow(t.name);
    }
  return Names(std::move(all), "the grown model");
}

/// Whether the blocks that have adapters are 0, 1, .. without a gap, in every stack.
inline bool without_gaps(const std::vector<StackSpec>& stacks, const std::vector<MovedLayer>& layers, bool before) {
  for (const auto& stack : stacks) {
    std::set<std::int64_t> blocks;
    for (const auto& l : layers)
      if (const auto b = block_name(before ? l.before : l.name, stack.name)) blocks.insert(b->block);
    if (!blocks.empty() && *blocks.rbegin() + 1 != std::int64_t(blocks.size())) return false;
  }
  return true;
}

}  // namespace detail

MODELGROW_INLINE AdapterGrowth::AdapterGrowth(const Plan& plan, const Names& model, Adapter adapter)
    : plan_(plan),
      adapter_(std::move(adapter)),
      grown_names_(detail::grown_names(plan, model)),
      form_(adapter_.form()),
      file_name_(adapter_.path().stem().string() + ".safetensors") {
  const auto names = adapter_.layers_in(model);
  std::multimap<std::string, std::int64_t, std::less<>> grown;  // by source
  const auto recipes = plan.recipes();
  for (std::size_t i = 0; i < recipes.size(); ++i)
    if (!recipes[i].source.empty()) grown.emplace(recipes[i].source, std::int64_t(i));
  const ParameterIndex known(plan.source());
  const std::string weight = ".weight";
  for (std::size_t l = 0; l < names.size(); ++l) {
    const auto refuse = [&](const std::string& what) {
      throw plan_error(adapter_.path().string() + ": the adapter of '" + names[l] + "' cannot follow this growth: " +
                       what + "; merge the adapter before the growth (modelgrow merge), or train a new one after it");
    };
    const auto add = [&](std::string name, std::int64_t parameter) {
      const auto& from = adapter_.layers()[l];
      layers_.push_back(MovedLayer{
          .before = names[l], .name = std::move(name), .rank = from.rank(), .alpha = from.alpha.value_or(0)});
      of_.emplace_back(l, parameter);
    };
    if (!known.find(names[l] + weight)) {  // copied with its block
      const auto name = plan.follow(names[l] + weight);
      add(name.substr(0, name.size() - weight.size()), -1);
      continue;
    }
    bool follows = false;
    const auto [begin, end] = grown.equal_range(names[l] + weight);
    for (auto it = begin; it != end; ++it) {
      const Recipe& r = recipes[std::size_t(it->second)];
      if (r.filling) refuse("the layer reads other states now, and what a bias would take up an adapter cannot say");
      if (!r.donor.empty()) refuse("rows of the layer come from the next block, which has factors of its own");
      if (r.fresh) continue;
      if (!r.name.ends_with(weight)) refuse("its weight is called '" + r.name + "' now; expected LAYER.weight");
      add(r.name.substr(0, r.name.size() - weight.size()), it->second);
      follows = true;
    }
    if (!follows) refuse("the layer is gone");
  }
  choose_form();
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const auto& from = adapter_.layers()[of_[i].first];
    const auto parameter = of_[i].second;
    const TensorView* alpha = from.alpha_tensor ? &*from.alpha_tensor : nullptr;
    for (const TensorView* t : {&from.a, &from.b, alpha}) {
      if (!t) continue;
      Grown& g = tensors_.emplace_back(
          Grown{.target = {.name = name_of(*t, of_[i].first, layers_[i].name), .dtype = t->dtype, .shape = t->shape},
                .source = t,
                .parameter = t == alpha ? -1 : parameter,
                .writes = t == &from.b,
                .rank = from.rank()});
      if (g.parameter < 0) continue;
      const auto which = g.writes ? detail::LowRankFactor::writes : detail::LowRankFactor::reads;
      const auto& axes = plan.schema().parameters[std::size_t(parameter)].info.axes;
      g.target.shape = shape_of(detail::factor_axes(axes, which, g.rank));
    }
  }
  if (adapter_.config()) {
    std::vector<std::string> all;
    for (const auto& t : grown_names_)
      if (t.name.ends_with(weight)) all.push_back(t.name.substr(0, t.name.size() - weight.size()));
    config_ = adapter_.config()->text_for(layers_, all);
  }
}

MODELGROW_INLINE void AdapterGrowth::choose_form() {
  if (form_ != AdapterForm::flattened) return;
  std::map<std::string, int> flat;
  for (const auto& t : grown_names_) ++flat[detail::flattened(t.name)];
  const bool twice = std::ranges::any_of(
      layers_, [&](const MovedLayer& l) { return flat[detail::flattened(l.name + ".weight")] > 1; });
  const auto& stacks = plan_.schema().stacks;
  const bool gap = detail::without_gaps(stacks, layers_, true) && !detail::without_gaps(stacks, layers_, false);
  if (!gap && !twice) return;
  form_ = AdapterForm::diffusion_model;
  const auto& layers = adapter_.layers();
  for (const auto& l : layers)
    if (!l.alpha_tensor && l.rank() != layers[0].rank())
      throw plan_error(
          adapter_.path().string() + ": the adapter of '" + l.name +
          "' has a rank of its own and no .alpha, which musubi-tuner takes for its rank and others do not; "
          "the grown adapter needs other names, so give it .alpha tensors");
  notes_.push_back("adapter '" + adapter_.path().filename().string() +
                   "' has names diffusion_model.LAYER now: names with " +
                   (gap ? "underscores are read for blocks without a gap only, and new blocks have no adapter"
                        : "underscores would be those of two layers"));
}

MODELGROW_INLINE std::string AdapterGrowth::name_of(const TensorView& t, std::size_t layer,
                                                    const std::string& grown) const {
  const std::string rest = t.name.substr(adapter_.prefix().size() + adapter_.layers()[layer].name.size());
  const std::string prefix = form_ == adapter_.form() ? adapter_.prefix() : "diffusion_model.";
  return adapter_.file().prefix().with(prefix + (form_ == AdapterForm::flattened ? detail::flattened(grown) : grown) +
                                       rest);
}

MODELGROW_INLINE std::uint64_t AdapterGrowth::bytes() const {
  std::uint64_t n = config_.size();
  for (const auto& t : tensors_) n += byte_size(t.target.dtype, t.target.shape).value_or(0);
  return n;
}

namespace detail {
constexpr LowRankFactor factor_of(bool writes) { return writes ? LowRankFactor::writes : LowRankFactor::reads; }
}  // namespace detail

MODELGROW_INLINE std::vector<std::byte> AdapterGrowth::make(const Grown& t) const {
  adapter_.file().prepare(t.source->span());
  if (t.parameter < 0) return {t.source->data, t.source->data + t.source->bytes};
  const auto i = std::size_t(t.parameter);
  return detail::make_factor(detail::factor_recipe(plan_.recipe(i), plan_.schema().parameters[i].info.axes,
                                                   detail::factor_of(t.writes), t.rank),
                             *t.source);
}

MODELGROW_INLINE void AdapterGrowth::prove(const Grown& t, const TensorView& found) const {
  const auto fail = [&](const std::string& what) {
    throw check_error(file_name_ + ": tensor '" + t.target.name + "' " + what);
  };
  if (found.dtype != t.target.dtype || found.shape != t.target.shape)
    fail("has type " + std::string(name(found.dtype)) + " and shape " + to_string(found.shape) + "; planned were " +
         std::string(name(t.target.dtype)) + " and " + to_string(t.target.shape));
  std::unique_ptr<detail::TensorProof> proof;
  if (t.parameter < 0) {
    proof = std::make_unique<detail::CopyProof>(file_name_, t.target, *t.source);
  } else {
    const auto i = std::size_t(t.parameter);
    const auto& before = *plan_.source().find(plan_.recipe(i).source);
    proof = detail::factor_proof(file_name_, t.target, *t.source, plan_, before.info, plan_.schema().parameters[i].info,
                                 detail::factor_of(t.writes), t.rank);
  }
  detail::prove(*proof, found.span());
  const auto verdict = proof->verdict();
  const double residual = verdict.found.residual;
  if (residual <= verdict.rounding || plan_.certificate().exactness == Exactness::approximate) return;
  char number[32];
  std::snprintf(number, sizeof number, "%.3g", residual);
  fail("does not compute what it did: W' E_in and E_out W differ by " + std::string(number) +
       " of its largest element");
}

MODELGROW_INLINE void AdapterGrowth::write(const std::filesystem::path& folder) const {
  Metadata metadata = adapter_.file().metadata();
  for (const auto* stale : {"sshs_model_hash", "sshs_legacy_hash", "modelspec.hash_sha256"}) metadata.erase(stale);
  metadata.emplace("format", "pt");
  std::filesystem::create_directories(folder);
  if (adapter_.alpha_place() == AlphaPlace::config)
    detail::write_file(folder / Adapter::config_file, config_);
  else if (adapter_.config())
    metadata[std::string(Adapter::header_key)] = config_;
  std::vector<NamedShape> declared;
  for (const auto& t : tensors_) declared.push_back(t.target);
  SafetensorsWriter out(folder / file_name_, declared, metadata);
  parallel_tasks(std::int64_t(tensors_.size()), 0, [&] {
    return [&](std::int64_t i) {
      const Grown& t = tensors_[std::size_t(i)];
      out.write(t.target.name, make(t));
      adapter_.file().release(t.source->span());
    };
  });
  out.commit();
  check(folder);
}

MODELGROW_INLINE void AdapterGrowth::check(const std::filesystem::path& folder) const {
  const auto file = folder / file_name_;
  const Adapter read = Adapter::open(file);
  const auto names = read.layers_in(grown_names_);
  std::map<std::string, const AdaptedLayer*> found;
  for (std::size_t i = 0; i < names.size(); ++i) found.emplace(names[i], &read.layers()[i]);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const auto& before = adapter_.layers()[of_[i].first];
    const auto it = found.find(layers_[i].name);
    if (it == found.end() || it->second->rank() != before.rank() || it->second->alpha != before.alpha ||
        it->second->rslora != before.rslora)
      throw check_error(file.string() + ": the adapter of '" + layers_[i].name +
                        "' has another rank or alpha than that of '" + layers_[i].before + "', or is not there");
  }
  if (found.size() != layers_.size())
    throw check_error(file.string() + ": it adapts " + std::to_string(found.size()) + " layers; planned were " +
                      std::to_string(layers_.size()));
  for (const auto& t : tensors_) {
    const auto* there = read.file().find(t.target.name);
    if (!there) throw check_error(file.string() + ": tensor '" + t.target.name + "' is missing");
    read.file().prepare(there->span());
    adapter_.file().prepare(t.source->span());
    prove(t, *there);
  }
}

}  // namespace modelgrow::inline v0
