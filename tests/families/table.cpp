// SPDX-License-Identifier: MIT
// The table of docs/families.md is what the library says today; MODELGROW_WRITE_DOCS=1 writes it anew.
#include <modelgrow/families/all.hpp>
#include <modelgrow/grow/operators/all.hpp>
#include <set>

#include "tests/support/catch.hpp"
#include "tests/support/docs_table.hpp"
#include "tests/support/releases.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

template <class Operator>
constexpr bool positions = std::same_as<Operator, InterpolatePositions>;  // the one whose purpose is to differ

/// "EXACT", "EXACT if ..", "EXACT, not upstream", or why not.
template <class Operator>
std::string claim_of(const Schema& s, const Operator& op) {
  try {
    const Plan p = plan(s, accept_conditions, allow_approximate, op);
    const Certificate c = p.certificate();
    if (c.exactness == Exactness::approximate && !positions<Operator>) return "refused";
    return (c.exactness == Exactness::exact      ? "EXACT"
            : c.exactness == Exactness::exact_if ? "EXACT if " + c.reason
                                                 : "APPROXIMATE") +
           (p.upstream_cannot().empty() ? "" : "; upstream cannot load it");
  } catch (const plan_error&) {
    return "refused";
  }
}

/// Calls f(family, release, schema) for every release.
template <class F>
void for_each_release(F&& f) {
  for (const auto& r : releases()) {
    if (r.tiny()) continue;
    const Names names(r.tensors, r.name);
    const Family& family = family_of(names, r.config, r.name);
    f(family.name(), r.name, family.schema(names, r.config, r.name));
  }
}

std::string sizes_table() {
  std::string text = "| family | release | deeper: one block after each | wider: twice |\n|---|---|---|---|\n";
  std::set<std::string> seen;
  for_each_release([&](const std::string& family, const std::string& release, const Schema& s) {
    const Plan none(s);
    std::string deeper, wider;
    std::set<std::string> done;
    for (const auto& stack : s.stacks) {
      auto group = none.paired(stack.name);
      std::sort(group.begin(), group.end());
      const std::string name = detail::join(group, '+');
      if (!done.insert(name).second) continue;
      deeper += (deeper.empty() ? "" : "<br>") + ("`" + name + "` ") +
                claim_of(s, InsertBlocks{.stack = name, .every = stack.rules.period});
    }
    for (const auto& space : s.spaces)
      if (by_copies(space.rules.copies) || space.rules.copies == Copies::never)
        wider += (wider.empty() ? "" : "<br>") + ("`" + space.space.name + "` ") +
                 claim_of(s, Net2Wider{.space = space.space.name, .times = 2});
    const std::string row = "| " + deeper + " | " + wider + " |\n";
    if (!seen.insert(family + row).second) return;  // releases that differ in size only
    text += "| " + family + " | " + release + " " + row;
  });
  return text;
}

std::string operators_table() {
  std::string text =
      "| family | release | channels of the data: twice | stream: a quarter more, silent | heads: twice as wide | "
      "positions: "
      "twice | feed-forward: 8 experts |\n|---|---|---|---|---|---|---|\n";
  std::set<std::string> seen;
  for_each_release([&](const std::string& family, const std::string& release, const Schema& s) {
    const auto each = [&](Copies kind, auto&& op) {
      std::string cell;
      for (const auto& space : s.spaces)
        if (space.rules.copies == kind)
          cell += (cell.empty() ? "" : "<br>") + ("`" + space.space.name + "` ") + claim_of(s, op(space.space));
      return cell;
    };
    const auto size = [&](std::string_view name) {
      for (const auto& [key, n] : s.sizes())
        if (key == name) return n;
      return std::int64_t{0};
    };
    const std::string row =
        "| " + each(Copies::channels, [](const Space& x) { return GrowChannels{.space = x.name, .to = 2 * x.size}; }) +
        " | " + claim_of(s, ZeroChannels{.to = size("hidden") * 5 / 4}) + " | " +
        claim_of(s, GrowHeadDim{.to = 2 * size("head_dim")}) + " | " +
        each(Copies::positions,
             [](const Space& x) { return InterpolatePositions{.space = x.name, .to = 2 * x.size}; }) +
        " | " + claim_of(s, MixtureOfExperts{.experts = 8}) + " |\n";
    if (!seen.insert(family + row).second) return;
    text += "| " + family + " | " + release + " " + row;
  });
  return text;
}

}  // namespace

TEST_CASE("docs/families.md holds the tables of today", "[families]") {
  check_docs_table("docs/families.md",
                   sizes_table() +
                       "\n`GrowChannels`, `ZeroChannels`, `GrowHeadDim`, `InterpolatePositions` and "
                       "`MixtureOfExperts` ([operators](operators.md)):\n\n" +
                       operators_table());
}
