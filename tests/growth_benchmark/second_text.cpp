// SPDX-License-Identifier: MIT
// Arms that read a language model: which captions it reads alone, and what they measure.
#include <benchmarks/growth/results.hpp>
#include <benchmarks/growth/run.hpp>
#include <modelgrow/text/embedding_cache_update.hpp>

#include "tests/growth_benchmark/tiny.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"
#include "tests/support/tiny_llm.hpp"

using namespace growth;
using growth::testing::experiment;
using growth::testing::run_named;
using growth::testing::tiny_json;
using mg::testing::Scratch;

namespace {

/// The states of all phrases of one moving shape, as a tiny language model reads them.
std::filesystem::path states_in(const Scratch& folder) {
  const auto path = folder / "states.safetensors";
  const auto model = mg::testing::TinyLlm{}.in(folder);
  const auto world = make_world(choose_world({{"name", "shapes"}, {"max_objects", 1}}, ".", "test"), {2, 16, 16}, 1);
  mg::EmbeddingCacheUpdate<mg::Cpu>(mg::CaptionEncoder<mg::Cpu>::open(model, {}), world->phrases(), path).write();
  return path;
}

Json reading(const std::filesystem::path& states) {
  Json j = tiny_json();
  j["world"] = {{"name", "shapes"}, {"max_objects", 1}, {"validation", 4}};
  j["model"]["text_encoder"]["words"] = "world";
  j["language_model"] = {{"states", states.string()}};
  const auto width = mg::EmbeddingCache::open(states).width();
  const Json growth = {{{"at", 0}, {"recipe", {{{"CrossText", {{"width", width}}}}}}}};
  j["arms"] = {{{"name", "both"}, {"growth", growth}}, {{"name", "alone"}, {"growth", growth}, {"alone", 1}}};
  j["against"] = "both";
  return j;
}

/// The largest gradient of the text encoder in a step of a model whose weights are all random.
float gradient_of_text_encoder(const Segment& s) {
  const auto world = make_world(s.world, {2, 16, 16}, 1);
  const SecondText second(s.states_file, *world, s.alone);
  Training training = s.training;
  training.caption_dropout = 0;
  auto model = model_of<mg::Cpu>(grown(sizes_from(s.model, "test"), s.recipe));
  mg::for_each_parameter(model, [](const std::string& path, auto& p) {
    const mg::Rng rng(1, mg::hash_name(path));
    for (std::int64_t i = 0; i < p.value.size(); ++i) p.value.data()[i] = float(0.3 * rng.normal(std::uint64_t(i)));
  });
  mg::Tape<float, mg::Cpu> tape;
  tape.backward(Task<mg::Cpu>(*world, training, 1, &second).loss(tape, model, 0));
  float largest = 0;
  mg::for_each_parameter(*model.text_encoder, [&](const std::string&, auto& p) {
    if (p.gradient.defined())
      for (const float g : p.gradient.span()) largest = std::max(largest, std::abs(g));
  });
  return largest;
}

}  // namespace

TEST_CASE("what the language model reads alone teaches the text encoder nothing") {
  const Scratch folder;
  const auto runs = lay_out(experiment(reading(states_in(folder))), "cpu");
  CHECK(gradient_of_text_encoder(run_named(runs, "both").chain[0].segment) > 0);
  CHECK(gradient_of_text_encoder(run_named(runs, "alone").chain[0].segment) == 0);
}

TEST_CASE("a text encoder knows a caption when it has a token for every word of it") {
  const mg::ByteEncoderConfig text{.words = "a red circle"};
  CHECK(knows(text, "a red circle"));
  CHECK(knows(text, "circle a"));
  CHECK_FALSE(knows(text, "a crimson circle"));
  CHECK_FALSE(knows(text, "a red circles"));
  CHECK(knows({}, "anything, letter by letter"));
}

TEST_CASE("an arm with a language model trains, and measures captions in other words") {
  const Scratch folder;
  const Run run = run_named(lay_out(experiment(reading(states_in(folder))), "cpu"), "alone");
  const Cache cache(folder / "cache");
  for (const Link& link : run.chain) {
    cache.declare(link.segment);
    REQUIRE(train_on_cpu(cache, link.key, [] { return false; }) == Outcome::finished);
  }
  const Result r = result_of(run, cache);
  REQUIRE(r.last().reworded);
  CHECK(*r.last().reworded > 0);
  CHECK(r.last().judged.contains("1 object, reworded, words"));
}
