// SPDX-License-Identifier: MIT
// The definitions of all.hpp.
#pragma once
#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/core/names.hpp>
#include <modelgrow/detail/json_members.hpp>
#include <modelgrow/families/all.hpp>
#include <modelgrow/families/cogvideox.hpp>
#include <modelgrow/families/cosmos.hpp>
#include <modelgrow/families/fit.hpp>
#include <modelgrow/families/flux.hpp>
#include <modelgrow/families/flux2.hpp>
#include <modelgrow/families/hunyuan_video.hpp>
#include <modelgrow/families/hunyuan_video15.hpp>
#include <modelgrow/families/latte.hpp>
#include <modelgrow/families/latte_original.hpp>
#include <modelgrow/families/ltx2.hpp>
#include <modelgrow/families/ltx_video.hpp>
#include <modelgrow/families/minimax_h3.hpp>
#include <modelgrow/families/mochi.hpp>
#include <modelgrow/families/pixart.hpp>
#include <modelgrow/families/qwen_image.hpp>
#include <modelgrow/families/sd3.hpp>
#include <modelgrow/families/stdit1.hpp>
#include <modelgrow/families/stdit2.hpp>
#include <modelgrow/families/stdit3.hpp>
#include <modelgrow/families/strangers.hpp>
#include <modelgrow/families/wan.hpp>
#include <modelgrow/families/wan_vace.hpp>
#include <modelgrow/families/z_image.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE const std::vector<Family>& known_families() {
  static const std::vector<Family> all = [] {
    std::vector<Family> list;
    for (std::string_view text :
         {families::cogvideox,     families::cosmos,          families::flux,       families::flux2,
          families::hunyuan_video, families::hunyuan_video15, families::latte,      families::latte_original,
          families::ltx2,          families::ltx_video,       families::minimax_h3, families::mochi,
          families::pixart,        families::qwen_image,      families::sd3,        families::stdit1,
          families::stdit2,        families::stdit3,          families::wan,        families::wan_vace,
          families::z_image})
      list.emplace_back(text);
    return list;
  }();
  return all;
}

namespace detail {

/// "Wan": the class that config.json names, for messages.
inline std::string class_name(std::string_view config) {
  if (config.empty()) return {};
  const auto j = parse_json(config, "config.json");
  return j.is_object() && has(j, "_class_name") && j["_class_name"].is_string() ? j["_class_name"].get<std::string>()
                                                                                : "";
}

}  // namespace detail

MODELGROW_INLINE const Family& family_of(const Names& names, std::string_view config, const std::string& where,
                                         const std::vector<Family>& among) {
  if (names.size() == 0)
    throw format_error(where + ": it holds no tensors; give the file or folder that holds the weights");
  if (!config.empty()) detail::parse_json(config, where + "/config.json");  // what follows does not know the place
  std::vector<const Family*> fits;
  const Family* nearest = nullptr;
  detail::Fit best;
  std::vector<Family> grafted;  // keeps what fits point to
  std::string known;
  for (const auto& family : among) {
    grafted.push_back(family.grafted(config, where + "/config.json"));
    auto f = grafted.back().fit(names);
    if (f.whole()) fits.push_back(&family);
    const bool claims = family.claims(config);
    if (f.found.size() > best.found.size() + (claims ? 0 : best.found.size() / 8))
      nearest = &family, best = std::move(f);
    known += (known.empty() ? "" : ", ") + family.name();
  }
  if (fits.size() == 1) return *fits[0];
  std::vector<const Family*> claimed;
  std::string list;
  for (const auto* f : fits) {
    if (f->claims(config)) claimed.push_back(f);
    list += (list.empty() ? "" : " and ") + f->name();
  }
  if (claimed.size() == 1) return *claimed[0];
  if (!fits.empty())
    throw format_error(where + ": its tensors fit the families " + list +
                       ", and '_class_name' of config.json does not say which; add it");
  if (const auto cause = detail::stranger(names, among); !cause.empty()) throw format_error(where + ": " + cause);
  const std::string says = detail::class_name(config);
  if (nearest && (best.found.size() * 4 > names.size() * 3 || (nearest->claims(config) && best.missing.empty())))
    throw format_error(where + ": " + std::to_string(best.found.size()) + " of " + std::to_string(names.size()) +
                       " tensors are of family '" + nearest->name() + "' (" + best.layout->name + ")" +
                       detail::complaint(best));
  throw format_error(
      where + ": the names of its tensors (such as '" + names[0].name + "') belong to no known family" +
      (says.empty() ? "" : "; config.json calls it '" + says + "'") + "; known: " + known +
      ". Write a text for yours (docs/how-to/new-family.md), or open the folder of the video transformer " + "itself");
}

MODELGROW_INLINE Schema schema(const Checkpoint& in) {
  return family_of(in.names(), in.config(), in.path().string()).schema(in);
}

}  // namespace modelgrow::inline v0
