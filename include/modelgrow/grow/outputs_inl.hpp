// SPDX-License-Identifier: MIT
// Definitions of outputs.hpp.
#pragma once
#include <modelgrow/grow/output_collector.hpp>
#include <modelgrow/grow/outputs.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE std::vector<Output> weight_outputs(const Plan& plan, const TensorSet& set, Absent absent) {
  detail::Collector all(set);
  bool buffers = absent == Absent::refuse;
  for (const auto& p : plan.source().parameters) {
    const auto* t = set.find(p.name);
    if (t) all.use(*t);
    buffers |= t && p.info.purpose == Purpose::buffer;
  }
  for (std::size_t i = 0; i < plan.schema().parameters.size(); ++i) {
    const Recipe r = plan.recipe(i);
    Output o{.target = NamedShape{.name = r.name, .dtype = r.dtype, .shape = r.shape},
             .kind = Output::Kind::recipe,
             .parameter = std::int64_t(i),
             .source = set.find(r.source),
             .values = {}};
    if (o.source) {
      detail::check_source(set, *o.source, r, r.stored());
      o.target.dtype = o.source->dtype;
      o.weight = detail::weight_of(set, r, [](const std::string& name) { return name; });
      o.donor = detail::donor_of(set, r, *o.source, [](const std::string& name) { return name; });
    } else if (!r.source.empty()) {
      if (absent == Absent::leave_out) continue;
      std::vector<std::string_view> names;
      for (const auto& t : set.tensors()) names.push_back(t.name);
      throw format_error(set.where() + ": there is no tensor '" + r.source + "', which family '" +
                         plan.source().family + "' needs" + nearest_names(r.source, names));
    } else {
      if (r.purpose == Purpose::buffer && !buffers) continue;
      if (absent == Absent::leave_out) o.target.dtype = set.float_type(r.dtype);
    }
    all.emit(std::move(o));
  }
  all.pass_through([&](const std::string& name) { return plan.follow(name); });
  return std::move(all.outputs);
}

}  // namespace modelgrow::inline v0
