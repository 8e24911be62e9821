// SPDX-License-Identifier: MIT
// Recipes: operators with their options come back from JSON, in their order; mistakes name the step.
#include <tests/support/catch.hpp>
#include <tests/support/message.hpp>

#include <modelgrow/grow/operators/all.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {
/// A user's operator.
struct Mine {
  static constexpr std::string_view name = "Mine", summary = "does nothing";
  void apply(Plan&) const {}
};
}  // namespace

TEST_CASE("every option of the operators comes back from a recipe, a user's operator too") {
  auto kinds = known_operators();
  kinds.push_back(kind_of_operator<Mine>());
  const std::vector<OperatorCall> calls{
      OperatorCall(InsertBlocks{.stack = "a+b",
                                .every = 2,
                                .at = {3, 7},
                                .count = 1,
                                .placement = Placement::suffix,
                                .start = BlockStart::opened,
                                .seed = 4}),
      OperatorCall(OptimizerPolicy{.moments = Moments::zeroed, .multipliers = Rates::annealed, .steps = 9}),
      OperatorCall(Net2Wider{.space = "ffn",
                             .to = 5,
                             .noise_db = 20,
                             .seed = 3,
                             .map = UnitMap::tiled,
                             .splits = Splits::dyadic,
                             .times = 1.5,
                             .rows = NewRows::next}),
      OperatorCall(Mine{})};
  for (const auto& call : calls)
    for (const auto& kind : kinds)
      if (kind.name == call.name()) CHECK(call.options().size() == kind.fields.size());
  CHECK(read_recipe(recipe_text(calls), kinds) == calls);
}

TEST_CASE("a wrong recipe names the step and what is near") {
  const auto wrong = [](const char* text) { return message_of<error>([&] { read_recipe(text, known_operators()); }); };
  CHECK(says(wrong(R"([{"InsertBlocks": {}}, {"InsertBlock": {}}])"), "step 2", "'InsertBlocks'"));
  CHECK(says(wrong(R"([{"Net2Wider": {"to": 2.9}}])"), "step 1, Net2Wider", "a whole number"));
  CHECK(says(wrong(R"([{"AcceptUpstream": {"x": 1}}])"), "it has no options"));
  CHECK(says(wrong(R"({"InsertBlocks": {}})"), "a recipe is a list"));
  CHECK(says(wrong("[1]"), "step 1 is 1"));
}
