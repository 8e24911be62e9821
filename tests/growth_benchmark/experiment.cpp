// SPDX-License-Identifier: MIT
// Experiments: what they share, how long they are, and what is said of mistakes in them.
#include <benchmarks/growth/experiment.hpp>

#include <filesystem>

#include "tests/growth_benchmark/tiny.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/scratch.hpp"

using namespace growth;
using growth::testing::experiment;
using growth::testing::run_named;
using growth::testing::tiny_json;
using mg::testing::message_of;
using mg::testing::says;

TEST_CASE("runs share what they have in common") {
  const auto runs = lay_out(experiment(tiny_json()), "cpu");
  const Run half = run_named(runs, "half"), early = run_named(runs, "half at 0.5"),
            late = run_named(runs, "half at 0.75"), scratch = run_named(runs, "scratch");
  REQUIRE(half.chain.size() == 3);
  REQUIRE(early.chain.size() == 2);
  REQUIRE(late.chain.size() == 3);
  CHECK(early.chain[0].key == half.chain[0].key);
  CHECK(late.chain[0].key == half.chain[0].key);
  CHECK(late.chain[1].key == half.chain[1].key);
  CHECK(late.chain[2].key != half.chain[2].key);
  CHECK(scratch.chain[0].key != half.chain[0].key);
  CHECK(early.chain[0].segment.to == 6);
  CHECK(early.chain[1].segment.from == 6);
  CHECK(early.chain[1].segment.to == 12);
  CHECK(late.chain[2].segment.from == 9);
  CHECK(early.chain[1].segment.recipe.size() == 1);
  CHECK(early.chain[1].segment.parent == early.chain[0].key);
  CHECK(early.chain[1].segment.begin == Segment::Begin::go_on);
}

TEST_CASE("a budget of compute buys each arm its own steps, or all those of one arm") {
  Json j = tiny_json();
  const auto flops = [](const Run& run) {
    double sum = 0;
    for (const Link& link : run.chain) sum += link.flops;
    return sum;
  };
  const double whole = flops(run_named(lay_out(experiment(j), "cpu"), "scratch"));
  j["budget"] = {{"tflop", 20 * whole * 1e-12}};
  for (const Run& run : lay_out(experiment(j), "cpu")) CHECK_THAT(flops(run), WithinRel(20 * whole, 0.01));
  j["budget"]["of"] = "scratch";
  for (const Run& run : lay_out(experiment(j), "cpu")) {
    CHECK(run.chain.back().segment.to == 240);
    if (run.arm != "scratch") CHECK(flops(run) < 20 * whole);
  }
}

TEST_CASE("what learning how to grow costs is taken from the budget, and what cannot be learned is said at once") {
  Json j = tiny_json();
  const auto last = [&] { return run_named(lay_out(experiment(j), "cpu"), "half at 0.5").chain.back(); };
  const double whole = lay_out(experiment(j), "cpu").front().chain.front().flops;
  const double given = last().flops;
  Json& growth = j["arms"][2]["growth"][0];
  growth["learning"] = {{"steps", 6}};
  CHECK(last().segment.learning.steps == 6);
  CHECK(last().segment.to == 12);
  CHECK(last().flops > 2 * given);
  j["budget"] = {{"tflop", 20 * whole * 1e-12}};
  double sum = 0;
  for (const Link& link : run_named(lay_out(experiment(j), "cpu"), "half at 0.5").chain) sum += link.flops;
  CHECK_THAT(sum, WithinRel(20 * whole, 0.01));
  growth["recipe"] = Json::parse(R"([{"AllowApproximate": {}}, {"InsertBlocks": {"every": 1, "start": "random"}}])");
  CHECK(says(message_of<mg::plan_error>([&] { last(); }), "blocks that are copies"));
}

TEST_CASE("a base is trained once, and its arms begin with it at step 0") {
  Json j = tiny_json();
  j["base"] = {{"budget", {{"steps", 5}}}, {"training", {{"lr", 0.001}}}, {"seed", 4}};
  j["arms"] = Json::parse(R"([{"name": "continued"},
    {"name": "deeper", "growth": [{"at": 0, "recipe": [{"InsertBlocks": {"every": 2}}]}]}])");
  j["against"] = "continued";
  j["seeds"] = {1, 2};
  const auto runs = lay_out(experiment(j), "cpu");
  const Run first = run_named(runs, "continued", 1), second = run_named(runs, "deeper", 2);
  REQUIRE(first.chain.size() == 2);
  REQUIRE(second.chain.size() == 2);
  CHECK(first.before == 1);
  CHECK(first.chain[0].key == second.chain[0].key);
  CHECK(run_named(runs, "base", 4).chain[0].key == first.chain[0].key);
  CHECK(second.chain[1].segment.begin == Segment::Begin::anew);
  CHECK(second.chain[1].segment.from == 0);
  CHECK(second.chain[1].segment.to == 12);
  CHECK(first.chain[0].segment.training.lr == 0.001);
  CHECK(first.chain[1].segment.seed != run_named(runs, "continued", 2).chain[1].segment.seed);
  CHECK(first.chain[1].segment.seed == run_named(runs, "deeper", 1).chain[1].segment.seed);
  j["base"]["seed"] = 0;
  const auto own = lay_out(experiment(j), "cpu");
  CHECK(run_named(own, "continued", 1).chain[0].key != run_named(own, "continued", 2).chain[0].key);
}

TEST_CASE("seeds of operators follow the run, unless the recipe says one") {
  Json j = tiny_json();
  j["seeds"] = {1, 2};
  const auto recipe_of = [&](std::uint64_t seed) {
    return run_named(lay_out(experiment(j), "cpu"), "half at 0.5", seed).chain[1].segment.recipe;
  };
  j["arms"][2]["growth"][0]["recipe"] = Json::parse(R"([{"Net2Wider": {"space": "ffn", "to": 96, "noise_db": 20}}])");
  CHECK(recipe_of(1) != recipe_of(2));
  CHECK(recipe_of(2)[0]["Net2Wider"]["seed"] == 2);
  j["arms"][2]["growth"][0]["recipe"][0]["Net2Wider"]["seed"] = 5;
  CHECK(recipe_of(1) == recipe_of(2));
}

TEST_CASE("mistakes in an experiment are named, with what was meant") {
  const auto wrong = [](auto&& change) {
    Json j = tiny_json();
    change(j);
    return message_of<mg::error>([&] { experiment(j); });
  };
  CHECK(says(wrong([](Json& j) { j["sedes"] = 1; }), "tiny", "'sedes'", "seeds"));
  CHECK(says(wrong([](Json& j) { j["world"]["name"] = "digit"; }), "'digit'", "digits"));
  CHECK(says(wrong([](Json& j) { j["world"]["max_digit"] = 1; }), "max_digit", "max_digits"));
  CHECK(says(wrong([](Json& j) { j["world"]["images"] = "nowhere"; }), "nowhere", "no such folder"));
  CHECK(says(wrong([](Json& j) { j["training"]["lr"] = "much"; }), "training", "lr", "a number"));
  CHECK(says(wrong([](Json& j) { j["model"]["transformer"]["dept"] = 1; }), "dept", "depth"));
  CHECK(says(wrong([](Json& j) { j["budget"] = {{"steps", 5}, {"tflop", 1}}; }), "either", "steps", "tflop"));
  CHECK(says(wrong([](Json& j) { j["seeds"] = {1, 1}; }), "seeds", "different"));
  CHECK(says(wrong([](Json& j) { j["against"] = "scrath"; }), "scrath", "scratch"));
  CHECK(says(wrong([](Json& j) { j["pictured"] = {"scrath"}; }), "scrath", "scratch"));
  CHECK(says(wrong([](Json& j) { j["pictured"] = 3; }), "'pictured' is 3", "[\"scratch\"]"));
  CHECK(says(wrong([](Json& j) { j["seeds"] = "x"; }), "'seeds' is \"x\"", "[1, 2, 3]"));
  CHECK(says(wrong([](Json& j) { j["seeds"] = {1, 2.5}; }), "'seeds' is [1,2.5]", "[1, 2, 3]"));
  CHECK(says(wrong([](Json& j) { j["arms"][2]["growth"][0]["mask_steps"] = 1e300; }), "'mask_steps' is 1e+300", "200"));
  CHECK(says(wrong([](Json& j) { j["must_read"] = "much"; }), "'must_read' is \"much\"", "0.1"));
  CHECK(says(wrong([](Json& j) { j["arms"][1]["name"] = "scratch"; }), "two arms", "scratch"));
  CHECK(says(wrong([](Json& j) { j["arms"] = Json::array(); }), "no 'arms'"));
  CHECK(says(wrong([](Json& j) { j["arms"][2]["growth"][0]["at"] = 1.5; }), "at", "below 1"));
  CHECK(says(wrong([](Json& j) { j["arms"][2]["growth"] = 3; }), "growth", "list"));
  CHECK(says(wrong([](Json& j) { j["arms"][2]["growth"][0]["learning"] = {{"step", 1}}; }), "'step'", "steps"));
  CHECK(says(wrong([](Json& j) {
               j["arms"][2]["growth"][0]["learning"] = {{"steps", 1}, {"rate", 0}};
             }),
             "learning", "above 0"));
  CHECK(says(wrong([](Json& j) {
               j["arms"][2]["growth"][0]["learning"] = {{"steps", 1}};
               j["arms"][2]["growth"][0]["mask_steps"] = 1;
             }),
             "learning", "without 'mask_steps'"));
  CHECK(says(wrong([](Json& j) {
               j["arms"][2]["growth"][0]["recipe"] = {{{"InsertBlock", Json::object()}}};
             }),
             "half at 0.5", "InsertBlock", "InsertBlocks"));
  CHECK(says(wrong([](Json& j) {
               j["base"] = {{"budget", {{"steps", 5}}}};
               j["arms"][1] = {{"name", "other"}, {"model", {{"transformer", {{"depth", 1}}}}}};
             }),
             "other", "that of the base"));
  CHECK(says(wrong([](Json& j) { j["arms"][2]["adapters"] = {{"rank", 2}}; }), "half at 0.5", "adapters", "growth"));
  CHECK(says(wrong([](Json& j) { j["arms"][2]["alone"] = 0.3; }), "half at 0.5", "alone", "CrossText"));
  CHECK(says(wrong([](Json& j) { j["arms"][2]["alone"] = -1; }), "half at 0.5", "alone", "0 to 1"));
}

TEST_CASE("the experiments that come with the library can be read and laid out") {
  const std::filesystem::path folder = std::filesystem::path(MODELGROW_SOURCE_DIR) / "benchmarks/growth";
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    ++count;
    INFO(entry.path().string());
    const Json j = Json::parse(mg::detail::read_file(entry.path()));
    if (j.contains("language_model") && !std::filesystem::exists(std::filesystem::path(MODELGROW_SOURCE_DIR) /
                                                                 j["language_model"]["states"].get<std::string>())) {
      CHECK(says(message_of<mg::io_error>([&] { read_experiment(entry.path()); }), "encode", "--phrases"));
      continue;
    }
    const Experiment e = read_experiment(entry.path());
    CHECK(e.name == entry.path().stem());
    const auto runs = lay_out(e, "cpu");
    const auto bases = std::ranges::count(runs, std::string(base_name), &Run::arm);
    CHECK(std::ptrdiff_t(runs.size()) - bases == std::ptrdiff_t(e.arms.size() * e.seeds.size()));
    CHECK((bases > 0) == (e.base && e.base->folder.empty()));
  }
  CHECK(count >= 5);
}
