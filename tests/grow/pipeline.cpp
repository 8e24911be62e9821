// SPDX-License-Identifier: MIT
// A pipeline in, a pipeline out: both experts grow by one plan, or the one that is named; all else goes along.
#include <modelgrow/grow/check_grown.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/write_pipeline.hpp>

#include "disk.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using modelgrow::testing::message_of;
using modelgrow::testing::says;
using List = std::vector<std::string>;

namespace {

const tiny::Config small;

/// Two experts, a large and a small file of other components, and what version control leaves.
tiny::fs::path make_pipeline(const tiny::fs::path& path) {
  tiny::write_model(path / "transformer", 1);
  tiny::write_model(path / "transformer_2", 2);
  tiny::fs::create_directories(path / "vae");
  tiny::fs::create_directories(path / "scheduler");
  using modelgrow::detail::write_file;
  write_file(path / "vae/diffusion_pytorch_model.safetensors", std::string(2 << 20, 'v'));
  write_file(path / "scheduler/scheduler_config.json", "{}");
  write_file(path / "model_index.json", R"({"_class_name": "WanPipeline"})");
  write_file(path / ".gitattributes", "x");
  return path;
}
Plan deeper() { return plan(tiny::disk_schema(small), InsertBlocks{.every = 1}); }
List names_of_entries(const tiny::fs::path& path) {
  List names;
  for (const auto& e : tiny::fs::directory_iterator(path)) names.push_back(e.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

TEST_CASE("a pipeline is known by its model_index.json") {
  const tiny::Scratch scratch;
  const auto path = make_pipeline(scratch / "in");
  const auto pipeline = pipeline_at(path);
  REQUIRE(pipeline);
  CHECK(pipeline->models == List{"transformer", "transformer_2"});
  CHECK(pipeline->others == List{"model_index.json", "scheduler", "vae"});
  CHECK(pipeline->hidden == List{".gitattributes"});
  CHECK_FALSE(pipeline_at(path / "transformer"));
  tiny::fs::remove_all(path / "transformer");
  tiny::fs::remove_all(path / "transformer_2");
  CHECK(says(message_of<io_error>([&] { pipeline_at(path); }), "has no transformer", "'scheduler', 'vae'"));
}

TEST_CASE("both experts grow by one plan, and the pipeline stays whole") {
  const tiny::Scratch scratch;
  const auto in = make_pipeline(scratch / "in"), out = scratch / "out";
  const Plan p = deeper();
  const auto report = write_pipeline(p, *pipeline_at(in), out);
  CHECK(names_of_entries(out) == List{"model_index.json", "scheduler", "transformer", "transformer_2", "vae"});
  for (const auto& [name, seed] : {std::pair("transformer", 1), std::pair("transformer_2", 2)}) {
    const auto grown = Checkpoint::open(out / name);
    const auto s = tiny::schema(small);
    CHECK(tiny::read_dict(grown) ==
          grow_weights(p, tiny::to_dict<float>(s, tiny::random_state(s, std::uint64_t(seed)))));
    CHECK(says(grown.config(), "\"depth\": 4"));
    CHECK_NOTHROW(check_grown(grown, Checkpoint::open(in / name), tiny::disk_schema(small)));
  }
  using modelgrow::detail::read_file;
  for (const char* file :
       {"model_index.json", "scheduler/scheduler_config.json", "vae/diffusion_pytorch_model.safetensors"})
    CHECK(read_file(out / file) == read_file(in / file));
  CHECK_FALSE(tiny::fs::equivalent(in / "model_index.json", out / "model_index.json"));  // people edit it
  REQUIRE(report.grown.size() == 2);
  REQUIRE(report.carried.size() == 3);
  CHECK(report.carried[2].name == "vae");
  CHECK(report.carried[2].shared + report.carried[2].copied == 1);
  CHECK(report.carried[0].copied == 1);
  std::ostringstream printed;
  printed << report;
  CHECK(says(printed.str(), "transformer: grown", "transformer_2: grown",
             "carried over: model_index.json scheduler vae", "hidden entries were not copied: '.gitattributes'"));
  CHECK(says(to_json(report), "\"transformer_2\"", "\"carried_over\""));
  CHECK(pipeline_bytes(p, *pipeline_at(in)) ==
        Checkpoint::open(out / "transformer").total_bytes() + Checkpoint::open(out / "transformer_2").total_bytes());
}

TEST_CASE("a large file of another component is shared with the source, and outlives it") {
  const tiny::Scratch scratch;
  const auto in = make_pipeline(scratch / "in"), out = scratch / "out";
  const auto report = write_pipeline(deeper(), *pipeline_at(in), out);
  CHECK(report.carried[2].shared == 1);
  tiny::fs::remove_all(in);
  CHECK(modelgrow::detail::read_file(out / "vae/diffusion_pytorch_model.safetensors") == std::string(2 << 20, 'v'));
}

TEST_CASE("one expert alone: the other is carried over as it is") {
  const tiny::Scratch scratch;
  const auto in = make_pipeline(scratch / "in"), out = scratch / "out";
  const auto report = write_pipeline(deeper(), *pipeline_at(in), out, {}, "transformer_2");
  CHECK(Checkpoint::open(out / "transformer_2").names().blocks("blocks") == 4);
  CHECK(Checkpoint::open(out / "transformer").names().blocks("blocks") == 2);
  CHECK(says(report.notes.at(0), "'transformer' was carried over as it is"));
  CHECK(says(message_of<io_error>([&] { write_pipeline(deeper(), *pipeline_at(in), scratch / "x", {}, "vae"); }),
             "no transformer 'vae'", "'transformer', 'transformer_2'"));
}

TEST_CASE("experts of two sizes are refused by name, and a failure leaves nothing behind") {
  const tiny::Scratch scratch;
  const auto in = make_pipeline(scratch / "in");
  tiny::fs::remove_all(in / "transformer_2");
  auto wide = small;
  wide.ffn = small.ffn + 1;
  tiny::write_model(in / "transformer_2", 2, wide);
  CHECK(says(message_of<format_error>([&] { write_pipeline(deeper(), *pipeline_at(in), scratch / "out"); }),
             "'transformer_2' is not of the same size as 'transformer'", "--component"));
  CHECK(scratch.entries() == 1);
  const auto needed = pipeline_bytes(deeper(), *pipeline_at(in), "transformer");
  CHECK(says(message_of<io_error>([&] {
               write_pipeline(deeper(), *pipeline_at(in), scratch / "out", {.room = needed - 1}, "transformer");
             }),
             modelgrow::detail::grouped(needed) + " bytes"));
  CHECK(scratch.entries() == 1);
  std::int64_t seen = 0;
  const WritePlan stop{.progress = [&](const ProgressReport&) {
    if (++seen == 1) throw error("stopped");
  }};
  CHECK_THROWS_AS(write_pipeline(deeper(), *pipeline_at(in), scratch / "out", stop, "transformer"), error);
  CHECK(scratch.entries() == 1);
}

TEST_CASE("a pipeline that was stopped goes on, and ends with the same bytes") {
  const tiny::Scratch scratch;
  const auto in = make_pipeline(scratch / "in");
  const auto files = [](const tiny::fs::path& folder) {
    std::map<std::string, std::string> all;
    for (const auto& e : tiny::fs::recursive_directory_iterator(folder))
      if (e.is_regular_file())
        all[e.path().lexically_relative(folder).string()] = modelgrow::detail::read_file(e.path());
    return all;
  };
  std::int64_t windows = 0;
  WritePlan how{.progress = [&](const ProgressReport&) { ++windows; }, .keep_bytes = 0, .window_bytes = 4096};
  write_pipeline(deeper(), *pipeline_at(in), scratch / "whole", how);
  REQUIRE(windows > 4);
  for (std::int64_t after = 1; after <= windows; after += 2) {
    INFO("after window " << after);
    how.progress = [left = after](const ProgressReport&) mutable {
      if (--left == 0) throw std::runtime_error("stopped");
    };
    CHECK_THROWS_AS(write_pipeline(deeper(), *pipeline_at(in), scratch / "out", how), std::runtime_error);
    CHECK(tiny::fs::exists(scratch / "out.partial"));
    how.progress = {};
    write_pipeline(deeper(), *pipeline_at(in), scratch / "out", how);
    CHECK(files(scratch / "out") == files(scratch / "whole"));
    tiny::fs::remove_all(scratch / "out");
  }
}

TEST_CASE("a pipeline may be replaced by its grown self, but not by a folder around it") {
  const tiny::Scratch scratch;
  const auto in = make_pipeline(scratch / "run/in");
  const WritePlan replace{.existing = Existing::replace};
  CHECK(says(message_of<io_error>([&] { write_pipeline(deeper(), *pipeline_at(in), scratch / "run", replace); }),
             "lies in it"));
  write_pipeline(deeper(), *pipeline_at(in), in, replace);
  CHECK(Checkpoint::open(in).names().blocks("blocks") == 4);
  CHECK(modelgrow::detail::read_file(in / "vae/diffusion_pytorch_model.safetensors").size() == 2u << 20);
}
