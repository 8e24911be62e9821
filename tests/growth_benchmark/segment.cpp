// SPDX-License-Identifier: MIT
// A key changes with everything that determines a run, and with nothing else.
#include <benchmarks/growth/segment.hpp>

#include <functional>
#include <set>

#include "tests/growth_benchmark/tiny.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace growth;
using growth::testing::experiment;
using growth::testing::tiny_json;
using mg::testing::message_of;
using mg::testing::says;

namespace {

Segment some_segment() { return lay_out(experiment(tiny_json()), "cpu").front().chain.front().segment; }

/// Changes one field of options to another value, whatever its type.
template <class O>
void change_field(O& options, std::size_t which) {
  std::size_t i = 0;
  auto visit = [&]<class V>(std::string_view, V& value, std::string_view) {
    if (i++ != which) return;
    if constexpr (std::is_enum_v<V>)
      value = V((int(value) + 1) % int(words_of(value).size()));
    else if constexpr (std::is_arithmetic_v<V>)
      value = V(value * 2 + V(1));
    else
      value += "x";
  };
  O::describe(options, visit);
}

}  // namespace

TEST_CASE("the key of a segment changes with everything that determines its result") {
  Segment standard = some_segment();  // one whose rate sees everything: it falls, and warmed up again
  standard.training.schedule = Course::stable_decay;
  standard.training.rewarm = RewarmOf::all;
  standard.training.rewarm_steps = 2;
  standard.total = standard.to;
  standard.grown_after = {0};
  standard.learning.steps = 1;
  std::vector<std::function<void(Segment&)>> changes{[](Segment& s) { s.device = "cuda"; },
                                                     [](Segment& s) { s.begin = Segment::Begin::anew; },
                                                     [](Segment& s) { s.parent = "0123456789abcdef"; },
                                                     [](Segment& s) { s.model["transformer"]["depth"] = 7; },
                                                     [](Segment& s) { s.model["text_encoder"]["depth"] = 7; },
                                                     [](Segment& s) { s.world.is["name"] = "bouncing"; },
                                                     [](Segment& s) { s.world.is["content"] = "other pictures"; },
                                                     [](Segment& s) {
                                                       s.recipe.push_back({{"InsertBlocks", {{"every", 1}}}});
                                                     },
                                                     [](Segment& s) { s.from = 1; },
                                                     [](Segment& s) { s.to = 11; },
                                                     [](Segment& s) { s.total = 5; },
                                                     [](Segment& s) { s.grown_after = {1}; },
                                                     [](Segment& s) { s.mask_steps = 3; },
                                                     [](Segment& s) { s.must_read = 0.1; },
                                                     [](Segment& s) { s.alone = 0.5; },
                                                     [](Segment& s) { s.seed = 2; }};
  for (std::size_t i = 0; i < mg::fields_of<Training>().size(); ++i)
    changes.push_back([i](Segment& s) { change_field(s.training, i); });
  for (std::size_t i = 0; i < mg::fields_of<Adapters>().size(); ++i)
    changes.push_back([i](Segment& s) { change_field(s.adapters, i); });
  for (std::size_t i = 0; i < mg::fields_of<Learning>().size(); ++i)
    changes.push_back([i](Segment& s) { change_field(s.learning, i); });
  for (std::size_t i = 0; i < mg::fields_of<Measuring>().size(); ++i)
    changes.push_back([i](Segment& s) { change_field(s.measuring, i); });
  std::set<std::string> keys{standard.key()};
  for (std::size_t i = 0; i < changes.size(); ++i) {
    INFO("change " << i);
    Segment s = standard;
    changes[i](s);
    CHECK(keys.insert(s.key()).second);
  }
}

TEST_CASE("the key does not change with where files lie, nor with what a constant rate never sees") {
  const Segment standard = some_segment();
  Segment s = standard;
  s.folder = "/elsewhere";
  s.world.where = {{"images", "/elsewhere"}};
  s.total = 1000;
  s.training.floor = 0.5;
  s.training.decay = Decay::sqrt;
  s.training.rewarm_steps = 7;
  s.grown_after = {0};
  CHECK(s.key() == standard.key());
  s.grown_after.clear();
  s.training.rewarm = RewarmOf::all;
  CHECK(s.key() == standard.key());
}

TEST_CASE("what lies before the decay is the same however long the run, and whatever grows later") {
  Segment a = some_segment(), b = a;
  a.training.schedule = b.training.schedule = Course::stable_decay;
  a.to = b.to = 80;
  a.total = 100;
  b.total = 200;
  CHECK(a.key() == b.key());
  a.to = b.to = 81;
  CHECK(a.key() != b.key());
  a = b = some_segment();
  a.training.rewarm = RewarmOf::added;
  a.training.rewarm_steps = 5;
  a.grown_after = {a.to};
  CHECK(a.key() == b.key());
  a.grown_after = {a.to - 1};
  CHECK(a.key() != b.key());
}

TEST_CASE("names and explanations of an experiment are no part of a key, seeds and growth are") {
  const auto keys = [](const Json& j) {
    std::set<std::string> all;
    for (const Run& run : lay_out(experiment(j), "cpu"))
      for (const Link& link : run.chain) all.insert(link.key);
    return all;
  };
  const auto standard = keys(tiny_json());
  Json j = tiny_json();
  j["name"] = "another";
  j["what"] = "other words";
  j["against"] = "half";
  j["arms"][0]["name"] = "whole";
  j["arms"][2]["what"] = "other words";
  j["against"] = "half";
  CHECK(keys(j) == standard);
  j["seeds"] = {2};
  for (const auto& key : keys(j)) CHECK_FALSE(standard.contains(key));
}

TEST_CASE("a segment that learns nothing of its growth is known by the key that it had before it could") {
  Segment s = some_segment();
  CHECK_FALSE(to_json(s).contains("learning"));
  const auto key = s.key();
  s.learning.rate = 0.5;
  CHECK(s.key() == key);
  s.learning.steps = 1;
  CHECK(s.key() != key);
}

TEST_CASE("a segment comes back from its JSON") {
  Segment s = some_segment();
  s.learning = {.steps = 7, .rate = 0.25};
  s.begin = Segment::Begin::folder;
  s.folder = "/somewhere";
  s.recipe.push_back({{"InsertBlocks", {{"every", 1}}}});
  const Segment again = segment_from(to_json(s), "a test");
  CHECK(to_json(again) == to_json(s));
  CHECK(again.key() == s.key());
  Json old = to_json(s);
  old["revision"] = 0;
  CHECK(says(message_of<mg::format_error>([&] { segment_from(old, "a test"); }), "a test", "another version"));
  old = to_json(s);
  old.erase("to");
  CHECK(says(message_of<mg::format_error>([&] { segment_from(old, "a test"); }), "to", "remove"));
}
