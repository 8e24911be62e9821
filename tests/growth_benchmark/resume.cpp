// SPDX-License-Identifier: MIT
// A run that was stopped, or cut into segments, ends bit for bit as one that was not.
#include <benchmarks/growth/results.hpp>
#include <benchmarks/growth/run.hpp>

#include <fstream>

#include "tests/growth_benchmark/tiny.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/scratch.hpp"

using namespace growth;
using growth::testing::experiment;
using growth::testing::run_named;
using growth::testing::tiny_json;
using mg::testing::Scratch;

namespace {

bool never() { return false; }

/// Everything that a finished segment leaves, but for times and memory.
std::map<std::string, std::string> left_by(const Cache& cache, const std::string& key) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(cache.run(key)))
    if (entry.is_regular_file())
      files[std::filesystem::relative(entry.path(), cache.run(key)).string()] = mg::detail::read_file(entry.path());
  std::ifstream log(cache.log(key));
  for (std::string line; std::getline(log, line);) {
    Json record = Json::parse(line);
    for (const char* time : {"seconds", "measuring_seconds", "sampling_seconds"}) record.erase(time);
    if (record.contains("loss")) files["log"] += record.dump() + "\n";
  }
  return files;
}

void train(const Cache& cache, const Run& run) {
  for (const Link& link : run.chain) {
    cache.declare(link.segment);
    REQUIRE(train_on_cpu(cache, link.key, never) == Outcome::finished);
  }
}

}  // namespace

TEST_CASE("a segment that is stopped, twice, goes on as if it had not been, growth and all") {
  const Run run = run_named(lay_out(experiment(tiny_json()), "cpu"), "half at 0.5");
  const Scratch a, b;
  const Cache whole(a.path()), stopped(b.path());
  train(whole, run);
  train(stopped, {.chain = {run.chain[0]}});
  const std::string key = run.chain[1].key;
  stopped.declare(run.chain[1].segment);
  int steps = 0;
  const auto after = [&](int n) { return [&steps, n] { return ++steps >= n; }; };
  CHECK(train_on_cpu(stopped, key, after(2)) == Outcome::stopped);
  CHECK(stopped.saved_step(key) == 8);
  CHECK_FALSE(stopped.done(key));
  steps = 0;
  CHECK(train_on_cpu(stopped, key, after(3)) == Outcome::stopped);
  CHECK(stopped.saved_step(key) == 11);
  CHECK(train_on_cpu(stopped, key, never) == Outcome::finished);
  CHECK(left_by(stopped, key) == left_by(whole, key));
  CHECK(stopped.done(key)->flops == whole.done(key)->flops);
  CHECK(stopped.done(key)->parameters == whole.done(key)->parameters);
}

TEST_CASE("a run cut into segments is the run in one piece") {
  Json j = tiny_json();
  const Run cut = run_named(lay_out(experiment(j), "cpu"), "half");
  j["arms"] = Json::array({j["arms"][0], j["arms"][1]});
  const Run whole = run_named(lay_out(experiment(j), "cpu"), "half");
  REQUIRE(cut.chain.size() == 3);
  REQUIRE(whole.chain.size() == 1);
  const Scratch folder;
  const Cache cache(folder.path());
  train(cache, cut);
  train(cache, whole);
  auto a = left_by(cache, cut.chain.back().key), b = left_by(cache, whole.chain.back().key);
  for (auto* files : {&a, &b}) files->erase("log"), files->erase("trainer.json");  // which name the segment's own steps
  CHECK(a == b);
  const Result x = result_of(cut, cache), y = result_of(whole, cache);
  CHECK(x.flops == y.flops);
  CHECK(x.last().loss == y.last().loss);
}

TEST_CASE("growth changes nothing at its own step, and counts from then on") {
  const Run run = run_named(lay_out(experiment(tiny_json()), "cpu"), "half at 0.5");
  const Scratch folder;
  const Cache cache(folder.path());
  train(cache, run);
  const Result r = result_of(run, cache);
  std::vector<Point> at_growth;
  for (const Point& p : r.points)
    if (p.step == 6) at_growth.push_back(p);
  REQUIRE(at_growth.size() == 2);
  CHECK_THAT(at_growth[1].loss, WithinRel(at_growth[0].loss, 1e-6));
  CHECK(at_growth[1].flops == at_growth[0].flops);
  const double small = cache.done(run.chain[0].key)->flops, large = cache.done(run.chain[1].key)->flops;
  CHECK(large > 1.2 * small);
  CHECK_THAT(large, WithinRel(run.chain[1].flops, 0.1));
  CHECK(r.flops == small + large);
  CHECK(r.last().judged.contains("one digit"));
}

TEST_CASE("what the arms of a base add is counted without it") {
  Json j = tiny_json();
  j["base"] = {{"budget", {{"steps", 5}}}};
  j["arms"] = Json::parse(R"([{"name": "continued"}])");
  j["against"] = "continued";
  const Run run = lay_out(experiment(j), "cpu").front();
  const Scratch folder;
  const Cache cache(folder.path());
  train(cache, run);
  const Result r = result_of(run, cache);
  CHECK(r.flops_before == cache.done(run.chain[0].key)->flops);
  CHECK(r.flops == cache.done(run.chain[1].key)->flops);
  CHECK(r.points.front().flops == 0);
  CHECK(r.points.front().step == 0);
}

TEST_CASE("a folder of another segment is not taken for this one") {
  const Run run = run_named(lay_out(experiment(tiny_json()), "cpu"), "scratch");
  const Scratch folder;
  const Cache cache(folder.path());
  cache.declare(run.chain[0].segment);
  const auto path = cache.folder(run.chain[0].key) / "segment.json";
  Json j = Json::parse(mg::detail::read_file(path));
  j["seed"] = 99;
  mg::detail::write_file(path, j.dump());
  CHECK(mg::testing::says(mg::testing::message_of<mg::format_error>([&] { cache.declare(run.chain[0].segment); }),
                          "another run", "remove"));
}

namespace {

/// The arms that begin with a base of five steps.
Json with_base(const std::string& arms) {
  Json j = tiny_json();
  j["base"] = {{"budget", {{"steps", 5}}}};
  j["arms"] = Json::parse(arms);
  j["against"] = j["arms"][0]["name"];
  return j;
}

/// Trains the last segment of a run in two goes, and again in one; both must be the same.
Cache check_resumed(const Run& run, const Scratch& a, const Scratch& b) {
  const Cache whole(a.path()), stopped(b.path());
  train(whole, run);
  Run before = run;
  before.chain.pop_back();
  train(stopped, before);
  const std::string key = run.chain.back().key;
  stopped.declare(run.chain.back().segment);
  int steps = 0;
  CHECK(train_on_cpu(stopped, key, [&] { return ++steps == 2; }) == Outcome::stopped);
  CHECK(train_on_cpu(stopped, key, never) == Outcome::finished);
  CHECK(left_by(stopped, key) == left_by(whole, key));
  return whole;
}

}  // namespace

TEST_CASE("adapters are trained alone, for less, and resumed") {
  const auto runs = lay_out(
      experiment(with_base(R"([{"name": "continued"}, {"name": "adapters", "adapters": {"rank": 2, "alpha": 2}}])")),
      "cpu");
  const Run run = run_named(runs, "adapters");
  const Scratch a, b;
  const Cache cache = check_resumed(run, a, b);
  train(cache, run_named(runs, "continued"));
  const Result r = result_of(run, cache), other = result_of(run_named(runs, "continued"), cache);
  CHECK(r.points.front().loss != r.last().loss);
  CHECK_THAT(r.flops, WithinRel(run.chain[1].flops, 0.1));
  CHECK(r.flops < other.flops);
  const auto base = mg::Checkpoint::open(cache.run(run.chain[0].key) / "transformer"),
             adapted = mg::Checkpoint::open(cache.run(run.chain[1].key) / "transformer");
  CHECK(adapted.tensors().size() > base.tensors().size());
  for (const auto& t : base.tensors()) {
    INFO(t.name);
    const auto& same = adapted.tensor(t.name);
    REQUIRE(same.bytes == t.bytes);
    CHECK(std::equal(t.data, t.data + t.bytes, same.data));
  }
}

TEST_CASE("masked blocks change nothing when they come, and everything is resumed in the middle of their coming") {
  const Run run = run_named(lay_out(experiment(with_base(R"([{"name": "masked", "growth": [{"at": 0, "mask_steps": 6,
        "recipe": [{"AllowApproximate": {}}, {"InsertBlocks": {"every": 1, "start": "random"}}]}]}])")),
                                    "cpu"),
                            "masked");
  const Scratch a, b;
  const Cache cache = check_resumed(run, a, b);
  std::ifstream log(cache.log(run.chain[0].key));
  double before = 0;
  for (std::string line; std::getline(log, line);)
    if (const Json record = Json::parse(line); record.contains("loss")) before = record.at("loss");
  CHECK_THAT(result_of(run, cache).points.front().loss, WithinRel(before, 1e-5));
}

TEST_CASE("growth is learned before training goes on, for its compute, and again when it was stopped meanwhile") {
  const Run run = run_named(lay_out(experiment(with_base(R"([{"name": "learned", "growth": [{"at": 0.5,
        "learning": {"steps": 4, "rate": 0.01},
        "recipe": [{"Net2Wider": {"space": "ffn", "to": 128, "noise_db": 20}}, {"InsertBlocks": {"every": 1}}]}]}])")),
                                    "cpu"),
                            "learned");
  const Scratch a, b, c;
  const Cache cache = check_resumed(run, a, b), stopped(c.path());
  train(stopped, {.chain = {run.chain[0], run.chain[1]}});
  stopped.declare(run.chain[2].segment);
  const std::string key = run.chain[2].key;
  int steps = 0;
  const auto after = [&](int n) { return [&steps, n] { return ++steps >= n; }; };
  CHECK(train_on_cpu(stopped, key, after(3)) == Outcome::stopped);
  CHECK(stopped.saved_step(key) == 0);
  steps = 0;
  CHECK(train_on_cpu(stopped, key, after(6)) == Outcome::stopped);
  CHECK(stopped.saved_step(key) == 8);
  CHECK(train_on_cpu(stopped, key, never) == Outcome::finished);
  CHECK(left_by(stopped, key) == left_by(cache, key));
  CHECK(stopped.done(key)->flops == cache.done(key)->flops);

  Segment given = run.chain[2].segment;
  given.learning = {};
  cache.declare(given);
  REQUIRE(train_on_cpu(cache, given.key(), never) == Outcome::finished);
  const double flops = cache.done(given.key())->flops, added = cache.done(key)->flops - flops;
  CHECK(added > 4.0 / 6 * flops);  // four more steps, and the way to the coefficients
  CHECK_THAT(cache.done(key)->flops, WithinRel(run.chain[2].flops, 0.1));
  const auto begins = [&](const std::string& of) {
    std::ifstream log(cache.log(of));
    std::string line;
    std::getline(log, line);
    return Json::parse(line);
  };
  CHECK_THAT(begins(key).at("flops").get<double>(), WithinRel(added, 1e-9));
  CHECK(begins(key).at("loss") != begins(given.key()).at("loss"));
}

TEST_CASE("rows of the next block come in the middle of a run") {
  const Run run = run_named(lay_out(experiment(with_base(R"([{"name": "next", "training": {"lr": 1e-30}, "growth": [{
        "at": 0.5, "recipe": [{"AllowApproximate": {}}, {"Net2Wider": {"space": "ffn", "to": 128, "rows": "next"}}]}]}])")),
                                    "cpu"),
                            "next");  // at this rate no weight moves
  const Scratch a, b;
  const Cache cache = check_resumed(run, a, b);
  const auto rows = [&](const Link& link, int block) {
    const auto file = mg::Checkpoint::open(cache.run(link.key) / "transformer");
    const auto& t = file.tensor("blocks." + std::to_string(block) + ".mlp.fc1.weight");
    std::vector<std::string> all;
    for (std::int64_t i = 0; i < t.shape[0]; ++i)
      all.emplace_back(reinterpret_cast<const char*>(t.data) + i * t.shape[1] * 4, t.shape[1] * 4);
    return all;
  };
  const auto mine = rows(run.chain[1], 0), others = rows(run.chain[1], 1), grown = rows(run.chain[2], 0);
  REQUIRE(grown.size() == 128);
  std::int64_t own = 0, taken = 0;
  for (const auto& row : grown) {
    own += std::ranges::count(mine, row);
    taken += std::ranges::count(others, row);
  }
  CHECK(own == 64);
  CHECK(taken == 64);
}

TEST_CASE("a base that does not read its captions is not grown") {
  Json j = with_base(R"([{"name": "continued"}])");
  j["world"] = {{"name", "shapes"}, {"max_objects", 1}, {"validation", 8}};
  j["must_read"] = 0.5;
  const Run run = lay_out(experiment(j), "cpu").front();
  const Scratch folder;
  const Cache cache(folder.path());
  cache.declare(run.chain[0].segment);
  cache.declare(run.chain[1].segment);
  REQUIRE(train_on_cpu(cache, run.chain[0].key, never) == Outcome::finished);
  const auto message = mg::testing::message_of<mg::error>([&] { train_on_cpu(cache, run.chain[1].key, never); });
  CHECK(mg::testing::says(message, "does not read", "colour", "direction", "0.5"));
  CHECK(result_of({.chain = {run.chain[0]}}, cache).last().swap.size() == 5);
}
