// SPDX-License-Identifier: MIT
// ZeroInitLayer: switches on a layer that the family knows but the model lacks (temporal convolution, second
// cross-attention). Its closing parameters start at zero, so nothing changes until training opens it.
#pragma once
#include <map>
#include <set>

#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

struct ZeroInitLayer {
  static constexpr std::string_view name = "ZeroInitLayer";
  std::string layer;                       // a name of Schema::options
  SchemaOption::Arguments arguments = {};  // what the family asks for, such as {"kernel", "3"}
  std::uint64_t seed = 0;                  // of the parameters that do not start at zero

  /// The parameters are those that the family describes with the layer and not without. Throws plan_error.
  void apply(Plan& plan) const {
    const Schema& now = plan.schema();
    const Schema with = now.option(layer).switched_on(now, arguments);
    std::set<std::string_view> known, spaces;
    for (const auto& p : now.parameters) known.insert(p.name);
    for (const auto& s : now.spaces) spaces.insert(s.space.name);
    std::vector<ParamSpec> added;
    for (const auto& p : with.parameters)
      if (known.erase(p.name) == 0) added.push_back(p);
    const auto refuse = [&](const std::string& what) {
      throw plan_error("ZeroInitLayer: layer '" + layer + "' " + what);
    };
    if (!known.empty()) refuse("would remove parameter '" + std::string(*known.begin()) + "'");
    if (added.empty()) refuse("is there already");
    for (const auto& p : with.parameters)
      if (const auto* old = now.find(p.name); old && old->info.axes != p.info.axes)
        refuse("would change the axes of '" + p.name + "'");
    std::vector<SpaceSpec> fresh;
    for (const auto& s : with.spaces)
      if (!spaces.contains(s.space.name)) fresh.push_back(s);
    const DType type = common_type(now);
    for (auto& p : added) {
      p.dtype = type;
      if (p.info.stream.branch.empty()) p.info.stream.branch = layer;  // one layer, one branch, wherever its parts are
    }
    plan.say(Add{.parameters = std::move(added), .spaces = std::move(fresh), .settings = with.settings, .seed = seed});
  }

 private:
  /// The most common float type of a model, so that a bf16 checkpoint stays one.
  static DType common_type(const Schema& s) {
    std::map<DType, std::int64_t> count;
    for (const auto& p : s.parameters)
      if (is_arithmetic_float(p.dtype)) ++count[p.dtype];
    DType best = DType::f32;
    for (const auto& [type, n] : count)
      if (!count.contains(best) || n > count[best]) best = type;
    return best;
  }
};

}  // namespace modelgrow::inline v0
