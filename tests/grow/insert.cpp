// SPDX-License-Identifier: MIT
// Many blocks inserted at once are the same growth as one after the other, in the plan and in the proof of the files;
// plans of version 2, which had a step for each, still read.
#include <modelgrow/grow/correspondence.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/plan_json.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tiny.hpp"

using namespace modelgrow;
using modelgrow::testing::message_of;
using modelgrow::testing::says;
using Places = std::vector<Insert::Place>;

namespace {

/// Blocks take turns with a period of `run`; some are listed in config.json.
Schema schema_with(std::int64_t depth, std::int64_t run) {
  Schema s = tiny::schema(tiny::Config{.depth = depth});
  s.stacks[0].rules.period = run;
  s.lists = {BlockList{.key = "special", .stack = "blocks", .with = "x", .guests = {}, .blocks = {0, depth - 1}}};
  return s;
}

/// The same insertions, each as a verb of its own in the numbers of its time.
Plan one_by_one(const Schema& s, const Places& places, std::int64_t run) {
  Plan p(s);
  for (std::size_t k = 0; k < places.size(); ++k) {
    std::int64_t like = places[k].like;
    for (std::size_t j = 0; j < k; ++j) like += places[j].at <= places[k].like ? run : 0;
    p.insert("blocks", places[k].at + std::int64_t(k) * run, like, run);
  }
  return p;
}

std::vector<std::string> texts(const Plan& p) {
  std::vector<std::string> all;
  for (const auto& r : p.recipes())
    all.push_back(r.name + ": " + to_string(r) + (r.fresh ? ", fresh" : "") + (r.closed ? ", closed" : ""));
  return all;
}

void check_same(const Plan& one, const Plan& other) {
  CHECK(one.schema().parameters == other.schema().parameters);
  CHECK(one.schema().stacks == other.schema().stacks);
  CHECK(one.schema().lists == other.schema().lists);
  CHECK(texts(one) == texts(other));
  CHECK(one.block_map("blocks") == other.block_map("blocks"));
  std::vector<std::string> names{"blocks.1.unknown.to.the.schema", "blocks.7.beyond", "other.1.x"};
  for (const auto& n : names) CHECK(one.follow(n) == other.follow(n));
  for (const auto& p : one.source().parameters) names.push_back(p.name);
  const auto a = modelgrow::detail::ancestors(one, names), b = modelgrow::detail::ancestors(other, names);
  REQUIRE(a.size() == b.size());
  for (const auto& [name, from] : a) {
    INFO(name);
    REQUIRE(b.contains(name));
    CHECK(from.source == b.at(name).source);
    CHECK(from.fresh == b.at(name).fresh);
  }
}

}  // namespace

TEST_CASE("blocks at many places are those that come one after the other") {
  const Rng rng(5);
  std::uint64_t at = 0;
  const auto pick = [&](std::int64_t n) { return std::int64_t(rng.below(at++, std::uint64_t(n))); };
  for (int round = 0; round < 30; ++round) {
    const std::int64_t run = 1 + pick(2), groups = 2 + pick(3);
    const Schema s = schema_with(run * groups, run);
    Places places;
    for (std::int64_t k = 1 + pick(6); k > 0; --k)
      places.push_back({.at = run * (1 + pick(groups)), .like = run * pick(groups)});
    std::sort(places.begin(), places.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
    Plan many(s);
    many.insert("blocks", places, run);
    CHECK(many.steps().size() == 1);
    check_same(many, one_by_one(s, places, run));
  }
}

TEST_CASE("every hands all places to one step, and copies of copies are copies") {
  const Schema s = tiny::schema(tiny::Config{.depth = 3});
  const Plan every = plan(s, InsertBlocks{.every = 1}), count = plan(s, InsertBlocks{.count = 7});
  CHECK(every.steps().size() == 1);
  CHECK(every.block_map("blocks") == std::vector<std::int64_t>{0, -1, 1, -1, 2, -1});
  CHECK(says(every.certificate().reason, "the 12 closing parameters of the new blocks are zero"));
  CHECK(count.schema().stack("blocks").count == 10);
  for (const auto& r : count.recipes())
    if (const auto b = block_name(r.name, "blocks")) CHECK(block_name(r.source, "blocks")->rest == b->rest);
}

TEST_CASE("a plan of version 2 reads with one place a step") {
  const Schema s = tiny::schema(tiny::Config{.depth = 2});
  const std::string old =
      R"({"modelgrow_plan":2,"family":"tiny","steps":[)"
      R"({"by":"InsertBlocks","call":0,"verb":"insert","stacks":["blocks"],"at":1,"like":0,"run":1},)"
      R"({"by":"InsertBlocks","call":0,"verb":"insert","stacks":["blocks"],"at":3,"like":2,"run":1}]})";
  const Plan read = plan_from_json(old, s), now = plan(s, InsertBlocks{.every = 1});
  check_same(read, now);
  const auto text = to_json(now);
  CHECK(says(text, R"("modelgrow_plan":3)", R"("places":[[1,0],[2,1]])"));
  check_same(plan_from_json(text, s), now);
  CHECK(to_json(plan_from_json(to_json(read), s)) == to_json(read));
}

TEST_CASE("places that make no sense are refused, and the plan stays") {
  const Schema s = tiny::schema(tiny::Config{.depth = 3});
  Plan p(s);
  const auto refusal = [&](const Places& places, std::int64_t run = 1) {
    const auto text = message_of<plan_error>([&] { p.insert("blocks", places, run); });
    CHECK(p.steps().empty());
    CHECK(p.schema().parameters == s.parameters);
    return text;
  };
  CHECK(says(refusal({}), "'blocks' names no place"));
  CHECK(says(refusal({{.at = 2, .like = 1}, {.at = 1, .like = 0}}), "position 1 is given behind 2", "ascending"));
  CHECK(says(refusal({{.at = 1, .like = 0}, {.at = 4, .like = 0}}), "position 4 does not exist"));
  CHECK(says(refusal({{.at = 1, .like = 0}, {.at = 2, .like = 3}}), "no block 3 to copy; the stack has 3 blocks"));
  CHECK(says(refusal({{.at = 1, .like = INT64_MAX}}), "no block 9223372036854775807 to copy"));
  CHECK(says(refusal({{.at = 1, .like = 1}}, INT64_MAX), "no block 3 to copy"));
  CHECK(says(refusal({{.at = 2, .like = 1}}, 2), "reach over the place"));
}
