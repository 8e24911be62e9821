// SPDX-License-Identifier: MIT
// What the proofs of several processes have shown, together.
#pragma once
#include <modelgrow/detail/packed.hpp>
#include <modelgrow/grow/ranks.hpp>
#include <modelgrow/grow/tensor_proof.hpp>

namespace modelgrow::inline v0::detail {

inline void pack(Packer& to, const Verdict& v) {
  to << v.found.name << v.found.rule << v.found.residual << int(v.dtype) << v.rounding << v.not_finite.has_value();
  if (!v.not_finite) return;
  const NotFinite& n = *v.not_finite;
  to << n.tensor << n.count << n.first << n.value << n.arisen;
}
inline Verdict unpacked_verdict(Unpacker& from) {
  Verdict v;
  int dtype = 0;
  bool not_finite = false;
  from >> v.found.name >> v.found.rule >> v.found.residual >> dtype >> v.rounding >> not_finite;
  v.dtype = DType(dtype);
  if (!not_finite) return v;
  NotFinite& n = v.not_finite.emplace();
  from >> n.tensor >> n.count >> n.first >> n.value >> n.arisen;
  return v;
}

/// The verdicts of all ranks, on every one of them. Throws what another rank failed with.
inline std::vector<Verdict> gathered(Ranks& ranks, std::vector<Verdict> own) {
  if (ranks.size() == 1) return own;
  Packer packer;
  for (const auto& v : own) pack(packer, v);
  std::vector<Verdict> all;
  for (const auto& text : ranks.all(packer.text()))
    for (Unpacker from(text); !from.ended();) all.push_back(unpacked_verdict(from));
  return all;
}

}  // namespace modelgrow::inline v0::detail
