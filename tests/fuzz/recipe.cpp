// SPDX-License-Identifier: MIT
// Recipes of the tool: operators come back from the text they are written to, and what they plan is a plan.
#include <modelgrow/grafts/known.hpp>
#include <modelgrow/grow/operators/all.hpp>
#include <tests/fuzz/support/grown.hpp>
#include <tests/fuzz/support/small_model.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<OperatorKind> kinds = [] {
    auto all = known_operators();
    all.insert(all.end(), known_grafts().begin(), known_grafts().end());
    return all;
  }();
  return read_or_refuse(data, size, [](std::string_view text) {
    const auto calls = read_recipe(text, kinds);
    must(read_recipe(recipe_text(calls), kinds) == calls, "a recipe comes back from its text");
    check_plan(plan(small_model(), calls));
  });
}
