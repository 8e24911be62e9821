// SPDX-License-Identifier: MIT
// The table of docs/families.md is what the library says today; MODELGROW_WRITE_DOCS=1 writes it anew.
#include <modelgrow/families/all.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <set>

#include "tests/support/catch.hpp"
#include "tests/support/docs_table.hpp"
#include "tests/support/releases.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

/// "EXACT", "EXACT if ..", "EXACT, not upstream", or why not.
template <class Operator>
std::string claim_of(const Schema& s, const Operator& op) {
  try {
    const Plan p = plan(s, accept_conditions, op);
    const Certificate c = p.certificate();
    return (c.exactness == Exactness::exact ? "EXACT" : "EXACT if " + c.reason) +
           (p.upstream_cannot().empty() ? "" : "; upstream cannot load it");
  } catch (const plan_error&) {
    return "refused";
  }
}

std::string table() {
  std::string text = "| family | release | deeper: one block after each | wider: twice |\n|---|---|---|---|\n";
  std::set<std::string> seen;
  for (const auto& r : releases()) {
    if (r.tiny()) continue;
    const Names names(r.tensors, r.name);
    const Family& family = family_of(names, r.config, r.name);
    const Schema s = family.schema(names, r.config, r.name);
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
    if (!seen.insert(family.name() + row).second) continue;  // releases that differ in size only
    text += "| " + family.name() + " | " + r.name + " " + row;
  }
  return text;
}

}  // namespace

TEST_CASE("docs/families.md holds the table of today", "[families]") { check_docs_table("docs/families.md", table()); }
