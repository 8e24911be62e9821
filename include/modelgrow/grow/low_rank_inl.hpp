// SPDX-License-Identifier: MIT
// The definitions of low_rank.hpp.
#pragma once
#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/correspondence.hpp>
#include <modelgrow/grow/kernel.hpp>
#include <modelgrow/grow/low_rank.hpp>

namespace modelgrow::inline v0::detail {

MODELGROW_INLINE std::vector<std::byte> make_factor(const Recipe& recipe, const TensorView& source) {
  if (recipe.copies_bytes(Of::weights)) return {source.data, source.data + source.bytes};
  std::vector<std::byte> made(std::size_t(byte_size(source.dtype, recipe.shape).value()));
  with_element(source.dtype, [&]<class T>(T) {
    const Kernel kernel(recipe, Of::weights);
    kernel.run(Source<T>{.data = source.data}, 0, numel(recipe.shape), reinterpret_cast<T*>(made.data()));
  });
  return made;
}

MODELGROW_INLINE std::unique_ptr<TensorProof> factor_proof(std::string where, NamedShape grown,
                                                           const TensorView& source, const Plan& plan,
                                                           const ParamInfo& before, const ParamInfo& now,
                                                           LowRankFactor which, std::int64_t rank) {
  ParamInfo then = before, here = now;
  then.axes = factor_axes(before.axes, which, rank);
  here.axes = factor_axes(now.axes, which, rank);
  const UnitsOf units = units_of(plan);
  std::vector<ComparedAxis> axes;
  for (std::size_t a = 0; a < here.axes.size(); ++a) {
    ComparedAxis axis{.units = axis_units(here, then, a, units), .old_size = then.axes[a].size()};
    const bool summed = here.axes[a].role == Role::in;
    for (std::size_t i = 0; summed && i < axis.units.scale.size(); ++i)
      if (axis.units.part[i] && axis.units.scale[i] != 0) axis.units.scale[i] = NAN;  // the old one is silent
    axis.summed = summed && axis.size() != axis.old_size;
    axes.push_back(std::move(axis));
  }
  ComparedElements elements{};
  with_element(grown.dtype, [&]<class T>(T) { elements = elements_as<T, Of::weights>(); });
  return std::make_unique<ResidualProof>(std::move(where), std::move(grown), "W' E_in = E_out W", source,
                                         Comparison(elements, source.data, axes));
}

}  // namespace modelgrow::inline v0::detail
