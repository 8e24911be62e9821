// SPDX-License-Identifier: MIT
// Growth of a whole directory: everything grows together, streams in small tiles, is reproducible, and is all or
// nothing whatever happens.
#include <mutex>
#include <sstream>

#include <signal.h>
#include <sys/resource.h>

#include <modelgrow/core/rng.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/grow/apply.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/outputs.hpp>
#include <modelgrow/grow/plan_json.hpp>

#include "disk.hpp"
#include "run_kernel.hpp"
#include "tests/support/catch.hpp"

using namespace modelgrow;
namespace fs = std::filesystem;

namespace {

const tiny::Config small;

Plan everything(const Schema& s) {
  return plan(s, InsertBlocks{.every = 1}, Net2Wider{.space = "ffn", .to = 8, .noise_db = 20, .seed = 3},
              Net2Wider{.space = "hidden", .to = 12, .noise_db = 30});
}
std::string text_of(const fs::path& p) { return modelgrow::detail::read_file(p); }

template <class E, class F>
std::string message(F&& f) {
  try {
    f();
  } catch (const E& e) {
    return e.what();
  }
  return "no such exception";
}
bool says(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

}  // namespace

TEMPLATE_TEST_CASE("a directory grows completely", "", double, float, f16, bf16) {
  const tiny::Scratch scratch;
  tiny::make_directory<TestType>(scratch / "base", small);
  const auto in = Checkpoint::open(scratch / "base");
  const Plan p = everything(tiny::disk_schema(small));
  const Report report = p.write(in, scratch / "grown");
  CHECK(scratch.entries() == 2);
  const auto out = Checkpoint::open(scratch / "grown");

  const auto weights = tiny::read_dict(out);
  auto expected = grow_weights(p, tiny::read_dict(in));
  CHECK(weights == expected);
  CHECK(weights.at("blocks.2.ticks") == tiny::read_dict(in).at("blocks.1.ticks"));  // went with its block
  CHECK(weights.at("calibration") == tiny::read_dict(in).at("calibration"));
  CHECK(tiny::read_dict(out.optimizer()) == grow_optimizer(p, tiny::read_dict(in.optimizer())));
  CHECK(tiny::read_dict(out.ema()) == grow_weights(p, tiny::read_dict(in.ema()), Absent::leave_out));
  CHECK(weights.at("blocks.0.mlp.fc1.weight").dtype == dtype_of<TestType>);
  CHECK(out.metadata().at("note") == "kept");
  CHECK(says(out.metadata().at("modelgrow"), "plan_hash"));
  CHECK(to_json(plan_from_json(text_of(scratch / "grown/plan.json"), p.source())) == to_json(p));

  CHECK(report.max_residual == 0);
  CHECK(report.parameters_after == p.schema().trained_elements());
  CHECK(report.passed_through == std::vector<std::string>{"blocks.2.ticks", "calibration"});
  CHECK(report.files.size() == 6);
  CHECK(report.peak_rss_bytes > 0);
  CHECK(report.tensors.size() == p.schema().parameters.size());
  for (const auto& t : report.tensors) CHECK_FALSE(t.rule.empty());
  std::ostringstream printed;
  printed << report;
  CHECK(says(printed.str(), "largest residual 0"));
  CHECK(says(to_json(report), "\"max_residual\": 0.0"));

  // Averages are grown with the same noise: the shares of every weight agree with those of the model in double.
  const auto again = grow_weights(p, tiny::to_dict<double>(p.source(), tiny::random_state(p.source(), 2)));
  CHECK(tiny::read_dict(out.ema()) == again);
}

TEST_CASE("only the keys of config.json that follow from sizes change") {
  const tiny::Scratch scratch;
  tiny::make_directory<float>(scratch / "base", small);
  const auto in = Checkpoint::open(scratch / "base");
  everything(tiny::disk_schema(small)).write(in, scratch / "grown");
  CHECK(text_of(scratch / "grown/config.json") ==
        "{\n  \"_class_name\": \"Tiny\",\n  \"hidden_size\": 12,\n  \"num_heads\": 4,\n  \"dropout\": 0.1,\n  "
        "\"depth\": 4,\n  \"ffn_dim\": 8,\n"
        "  \"list\": [\n    1,\n    2\n  ]\n}\n");
  plan(tiny::disk_schema(small)).write(in, scratch / "same");
  CHECK(text_of(scratch / "same/config.json") == tiny::config_json);
  const auto report = everything(tiny::schema(small)).write(in, scratch / "unpatched");
  CHECK(std::any_of(report.notes.begin(), report.notes.end(),
                    [](const std::string& n) { return says(n, "config.json was copied as it was"); }));

  modelgrow::detail::write_file(scratch / "base/config.json", "[1]");
  CHECK_THROWS_AS(everything(tiny::disk_schema(small)).write(Checkpoint::open(scratch / "base"), scratch / "bad"),
                  format_error);
  CHECK_FALSE(fs::exists(scratch / "bad"));
}

TEST_CASE("the same plan gives the same bytes") {
  const tiny::Scratch scratch;
  tiny::make_directory<bf16>(scratch / "base", small);
  const auto in = Checkpoint::open(scratch / "base");
  const Plan p = everything(tiny::disk_schema(small));
  p.write(in, scratch / "a");
  plan_from_json(to_json(p), p.source()).write(in, scratch / "b");
  for (const char* f : {"model.safetensors", "optimizer.safetensors", "ema.safetensors", "config.json", "plan.json"})
    CHECK(text_of(scratch / "a" / f) == text_of(scratch / "b" / f));
}

TEST_CASE("shards stay shards") {
  const tiny::Scratch scratch;
  const auto s = tiny::schema(small);
  fs::create_directory(scratch / "base");
  tiny::write_dict(scratch / "base/model.safetensors", tiny::to_dict<float>(s, tiny::random_state(s)), {}, 1500);
  const auto in = Checkpoint::open(scratch / "base");
  REQUIRE(in.files().size() > 2);
  const Plan p = everything(s);
  p.write(in, scratch / "grown");
  const auto out = Checkpoint::open(scratch / "grown");
  CHECK(out.files().size() > in.files().size());
  CHECK(tiny::read_dict(out) == grow_weights(p, tiny::read_dict(in)));
  p.write(in, scratch / "one", WritePlan{.shard_bytes = UINT64_MAX});
  CHECK(Checkpoint::open(scratch / "one").files().size() == 1);
}

TEST_CASE("a failure in the middle leaves nothing") {
  const tiny::Scratch scratch;
  tiny::make_directory<float>(scratch / "base", small);
  const auto in = Checkpoint::open(scratch / "base");
  const Plan p = everything(tiny::disk_schema(small));

  SECTION("an exception, at any tensor") {
    std::int64_t reports = 0;
    p.write(in, scratch / "whole",
            WritePlan{.progress = [&](const ProgressReport&) { ++reports; }, .window_bytes = 4096});
    fs::remove_all(scratch / "whole");
    REQUIRE(reports > 6);
    for (std::int64_t stop = 1; stop <= reports; stop += 2) {
      std::int64_t seen = 0;
      const WritePlan options{.progress =
                                  [&](const ProgressReport&) {
                                    if (++seen == stop) throw error("stopped by the user");
                                  },
                              .window_bytes = 4096};
      CHECK(message<error>([&] { p.write(in, scratch / "grown", options); }) == "stopped by the user");
      CHECK(scratch.entries() == 1);
    }
  }
  SECTION("a full disk") {
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    const auto handler = ::signal(SIGXFSZ, SIG_IGN);
    rlimit little = before;
    little.rlim_cur = 9000;
    ::setrlimit(RLIMIT_FSIZE, &little);
    const auto text = message<io_error>([&] { p.write(in, scratch / "grown"); });
    ::setrlimit(RLIMIT_FSIZE, &before);
    ::signal(SIGXFSZ, handler);
    CHECK(says(text, "model.safetensors"));
    CHECK(scratch.entries() == 1);
  }
  SECTION("an existing target stays as it was") {
    fs::create_directory(scratch / "grown");
    modelgrow::detail::write_file(scratch / "grown/precious", "x");
    CHECK_THROWS_AS(p.write(in, scratch / "grown"), io_error);
    CHECK(fs::exists(scratch / "grown/precious"));
    p.write(in, scratch / "grown", WritePlan{.existing = Existing::replace});
    CHECK_FALSE(fs::exists(scratch / "grown/precious"));
    CHECK(fs::exists(scratch / "grown/model.safetensors"));
  }
  SECTION("tensors that do not fit the plan") {
    const auto s = tiny::schema(small);
    const auto with = [&](auto&& edit) {
      auto d = tiny::to_dict<float>(s, tiny::random_state(s));
      edit(d);
      fs::create_directories(scratch / "odd");
      tiny::write_dict(scratch / "odd/model.safetensors", d);
      const auto text = message<error>([&] { p.write(Checkpoint::open(scratch / "odd"), scratch / "grown"); });
      CHECK_FALSE(fs::exists(scratch / "grown"));
      return text;
    };
    CHECK(says(with([](auto& d) { d.erase("final.table"); }),
               "there is no tensor 'final.table', which family 'tiny' needs"));
    CHECK(says(with([](auto& d) {
                 d["final.table"].shape = Shape{6, 2};
               }),
               "has shape [6, 2]; the plan expects [2, 6]"));
    CHECK(says(with([](auto& d) {
                 d["final.table"] = tiny::raw(DType::i32, Shape{2, 6}, 48);
               }),
               "has type I32 and one of its axes grows"));
    const Plan conv = plan(s, tiny::AddConv{});
    auto d = tiny::to_dict<float>(s, tiny::random_state(s));
    d["blocks.0.conv.bias"] = tiny::raw(DType::f32, Shape{6}, 24);
    tiny::write_dict(scratch / "odd/model.safetensors", d);
    const auto text = message<plan_error>([&] { conv.write(Checkpoint::open(scratch / "odd"), scratch / "grown"); });
    CHECK(says(text, "'blocks.0.conv.bias' would be written twice"));
  }
}

TEST_CASE("integer and eight-bit tensors pass through where they do not grow") {
  const auto s = tiny::schema(small);
  const Plan p = plan(s, Net2Wider{.space = "ffn", .to = 8});
  auto d = tiny::to_dict<float>(s, tiny::random_state(s));
  d["pos"] = tiny::raw(DType::u8, Shape{4, 6}, 24);
  d["final.linear.weight"] = tiny::raw(DType::f8_e5m2, Shape{2, 6}, 12);
  const auto grown = grow_weights(p, d);
  CHECK(grown.at("pos") == d.at("pos"));
  CHECK(grown.at("final.linear.weight") == d.at("final.linear.weight"));
}

TEST_CASE("tensors stream in tiles, and tiles do not matter") {
  const Extent hidden = Space{.name = "hidden", .size = 700}, ffn = Space{.name = "ffn", .size = 900};
  Schema s;
  s.family = "wide";
  s.parameters = {ParamSpec{.name = "w", .dtype = DType::f32, .info = {.axes = {out(hidden), in(ffn)}}},
                  ParamSpec{.name = "k", .dtype = DType::f32, .info = {.axes = {out(ffn), in(hidden), fixed(3)}}},
                  ParamSpec{.name = "first", .dtype = DType::f32, .info = {.axes = {in(ffn), out(hidden)}}}};
  s.spaces = {SpaceSpec{.space = {.name = "hidden", .size = 700}, .rules = {}},
              SpaceSpec{.space = {.name = "ffn", .size = 900}, .rules = {}}};
  const Plan p =
      plan(s, Net2Wider{.space = "ffn", .to = 1300, .noise_db = 20}, Net2Wider{.space = "hidden", .to = 1500});
  const auto d = tiny::to_dict<float>(s, tiny::random_state(s));
  const auto views = modelgrow::detail::views_of(d);
  const TensorSet set(views, "test");
  const auto outputs = weight_outputs(p, set);
  std::size_t largest = 0, pieces = 0;
  std::mutex one_at_a_time;
  apply(p, set, outputs, [&](std::size_t, std::span<const std::byte> b) {
    const std::lock_guard lock(one_at_a_time);
    largest = std::max(largest, b.size()), ++pieces;
  });
  CHECK(largest <= tile_bytes);
  CHECK(pieces > 20);

  const auto whole = grow_weights(p, d);
  const Rng rng(4);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto recipe = p.recipe(i);
    const auto expected = tiny::numbers(whole.at(recipe.name));
    std::int64_t wrong = 0;
    for (std::uint64_t k = 0; k < 30; ++k) {
      const auto n = numel(recipe.shape), begin = std::int64_t(rng.below(2 * k, std::uint64_t(n))),
                 end = std::min(n, begin + std::int64_t(rng.below(2 * k + 1, 5000)));
      const auto* source = reinterpret_cast<const float*>(d.at(recipe.source).bytes.data());
      const auto part = tiny::run_kernel(recipe, Of::weights, source, begin, end);
      for (std::int64_t e = begin; e < end; ++e)
        wrong += double(part[std::size_t(e - begin)]) != expected[std::size_t(e)];
    }
    CHECK(wrong == 0);
  }
}
