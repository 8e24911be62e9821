// SPDX-License-Identifier: MIT
// Runs on disk: what is in the directory, and that a damaged or impossible one is a clear error that loses nothing.
#include <modelgrow/train/checkpointing.hpp>

#include <cstring>
#include <fstream>

#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"
#include "tests/support/small_files.hpp"
#include "tests/train/tiny_model.hpp"

namespace mg = modelgrow;
namespace fs = std::filesystem;
using mg::testing::Scratch;

namespace {

struct Run {
  tiny::Pair<float, mg::Cpu> model;
  mg::AdamW<float, mg::Cpu> adam{model, {}};
  mg::Ema<float, mg::Cpu> ema{model, adam};

  void train(std::int64_t steps) {
    for (std::int64_t i = 0; i < steps; ++i) {
      mg::Tape<float, mg::Cpu> tape;
      tape.backward(tiny::loss(model, tape, i));
      adam.step(model, 0.01);
      ema.update(model, adam);
    }
  }
  void save(const fs::path& path, std::int64_t step = 3) {
    mg::save_run(path, model, adam, &ema, mg::RunState{.step = step, .seed = 5});
  }
  mg::RunState load(const fs::path& path) { return mg::load_run(path, model, adam, &ema); }
  double sum() {
    double total = 0;
    mg::for_each_parameter(model, [&](const std::string&, auto& p) {
      for (float w : p.value.span()) total += w;
    });
    return total;
  }
};

/// A pipeline that also has a parameter of its own.
struct Odd : tiny::Pair<float, mg::Cpu> {
  mg::Parameter<float, mg::Cpu> scale{mg::ParamInfo{.axes = {mg::fixed(1)}}};
  static void describe(auto& self, auto& v) {
    tiny::Pair<float, mg::Cpu>::describe(self, v);
    v("scale", self.scale);
  }
};

std::string message_of(auto&& f) {
  try {
    f();
  } catch (const mg::error& e) {
    return e.what();
  }
  return {};
}

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& e : fs::recursive_directory_iterator(directory)) names.push_back(fs::relative(e, directory));
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

TEST_CASE("a run has a folder for each model of the pipeline and restores completely") {
  const Scratch directory;
  Run run;
  run.train(3);
  run.save(directory / "latest");
  const std::vector<std::string> expected{"first",
                                          "first/config.json",
                                          "first/ema.safetensors",
                                          "first/model.safetensors",
                                          "first/optimizer.safetensors",
                                          "second",
                                          "second/config.json",
                                          "second/ema.safetensors",
                                          "second/model.safetensors",
                                          "second/optimizer.safetensors",
                                          "trainer.json"};
  CHECK(names_in(directory / "latest") == expected);
  CHECK(mg::Checkpoint::open(directory / "latest" / "second").config() == "{\n  \"width\": 6,\n  \"hidden\": 10\n}\n");

  Run other;
  const auto state = other.load(directory / "latest");
  CHECK(state.step == 3);
  CHECK(state.seed == 5);
  CHECK(other.sum() == run.sum());
  CHECK(other.adam.states().at("second.bias2").step == 3);
  run.train(2);
  other.train(2);
  CHECK(other.sum() == run.sum());
  CHECK(other.ema.averages().at("first.weight1").data()[3] == run.ema.averages().at("first.weight1").data()[3]);

  run.save(directory / "latest", 5);  // replaces
  CHECK(mg::read_run_state(directory / "latest").step == 5);
  CHECK(names_in(directory.path()).size() == expected.size() + 1);  // nothing else was left
}

TEST_CASE("weights alone start a run; resuming needs all of it") {
  const Scratch directory;
  Run run, other;
  run.train(3);
  run.save(directory / "latest");
  fs::remove(directory / "latest" / "first" / "ema.safetensors");
  fs::remove(directory / "latest" / "first" / "optimizer.safetensors");
  CHECK_THROWS_AS(other.load(directory / "latest"), mg::io_error);
  mg::load_models(directory / "latest", other.model, other.adam, &other.ema);
  CHECK(other.sum() == run.sum());
  CHECK(other.adam.states().size() == 4);  // only the second model's
  CHECK(other.ema.averages().at("first.weight1").data()[0] == run.model.first.weight1.value.data()[0]);
}

TEST_CASE("a damaged run is refused, and the file is named") {
  const Scratch directory;
  Run run, other;
  run.train(1);
  run.save(directory / "latest");
  const auto damaged = [&](const std::string& file, auto&& damage) {
    run.save(directory / "latest");
    damage(directory / "latest" / file);
    const std::string message = message_of([&] { other.load(directory / "latest"); });
    INFO(message);
    CHECK(message.find(file.substr(0, file.find('.'))) != message.npos);
  };
  const auto truncate = [](const fs::path& p) { fs::resize_file(p, fs::file_size(p) - 8); };
  damaged("first/optimizer.safetensors", truncate);
  damaged("second/ema.safetensors", truncate);
  damaged("second/model.safetensors", [](const fs::path& p) { fs::resize_file(p, 20); });
  damaged("second/optimizer.safetensors", [](const fs::path& p) { fs::remove(p); });
  damaged("trainer.json", [](const fs::path& p) { fs::remove(p); });
  damaged("trainer.json", [](const fs::path& p) { std::ofstream(p) << "{\"step\": 3"; });
  damaged("trainer.json", [](const fs::path& p) { std::ofstream(p) << "{\"step\": -3, \"seed\": 1}"; });
  damaged("trainer.json", [](const fs::path& p) { std::ofstream(p) << "[3]"; });
  damaged("trainer.json", [](const fs::path& p) { std::ofstream(p) << R"({"step": 3, "seed": 1, "history": -1})"; });
  run.save(directory / "latest");
  CHECK(other.load(directory / "latest").step == 3);
}

TEST_CASE("files of two saves are not loaded together, and nothing is loaded then") {
  const Scratch directory;
  Run run, other;
  run.train(2);
  const auto save = [&](const char* name, std::uint64_t history) {
    mg::save_run(directory / name, run.model, run.adam, &run.ema, {.step = 3, .seed = 5, .history = history});
  };
  save("another", 8);
  save("unmarked", 0);
  const double before = other.sum();
  for (const char* file : {"first/model.safetensors", "second/optimizer.safetensors", "first/ema.safetensors"}) {
    save("run", 7);
    CHECK(other.load(directory / "run").history == 7);
    other = Run();
    const auto mixed = [&](const char* from) {
      fs::copy_file(directory / from / file, directory / "run" / file, fs::copy_options::overwrite_existing);
      return message_of([&] { other.load(directory / "run"); });
    };
    const std::string message = mixed("another");
    INFO(message);
    CHECK(message.find(std::string(file) + ": it has the mark 8, trainer.json 7") != message.npos);
    CHECK(other.sum() == before);
    CHECK(mixed("unmarked").empty());
    other = Run();
  }
}

TEST_CASE("a run of another size is refused") {
  const Scratch directory;
  Run run;
  run.save(directory / "latest");
  tiny::Pair<float, mg::Cpu> wider({.width = 6, .hidden = 12});
  mg::AdamW<float, mg::Cpu> adam(wider, {});
  CHECK_THROWS_AS(
      mg::load_run<decltype(wider)>(directory / "latest", wider, adam, static_cast<mg::Ema<float, mg::Cpu>*>(nullptr)),
      mg::format_error);
}

TEST_CASE("a run whose config.json is another one's is refused before anything is loaded") {
  const Scratch directory;
  Run run, other;
  run.train(1);
  run.save(directory / "latest");
  const double before = other.sum();
  const auto config = directory / "latest" / "second" / "config.json";
  const auto said_of = [&](const std::string& text) {
    std::ofstream(config) << text;
    return message_of([&] { other.load(directory / "latest"); });
  };
  const std::string said = said_of(R"({"width": 6, "hidden": 20})");
  INFO(said);
  CHECK(said.find("second/config.json: the run is one of another model: 'hidden' is 20 there and 10 in this model") !=
        said.npos);
  CHECK(said.find("start a new run in another directory") != said.npos);
  CHECK(said_of(R"({"width": 6, "hidden": 10, "heads": 3})").find("'heads' is 3 there and absent") != said.npos);
  CHECK(said_of(R"({"width": 6)").find("second/config.json") != said.npos);
  CHECK(message_of([&] { mg::load_models(directory / "latest", other.model, other.adam, &other.ema); }) !=
        std::string());
  fs::remove(config);
  CHECK(message_of([&] { other.load(directory / "latest"); }).find("config.json is missing") != said.npos);
  CHECK(other.sum() == before);
  CHECK(said_of(R"({"hidden": 10, "width": 6})").empty());
  CHECK(other.sum() == run.sum());
}

TEST_CASE("averages that are in use are never saved as weights") {
  const Scratch directory;
  Run run, other;
  run.train(3);
  run.save(directory / "latest");
  {
    const auto in_use = run.ema.use_in(run.model);
    const auto refused = [](const std::string& said) {
      return said.find("in use in place of the weights") != said.npos;
    };
    CHECK(refused(message_of([&] { run.save(directory / "latest", 4); })));
    CHECK(refused(message_of([&] { mg::save_models(directory / "new", run.model, run.adam, &run.ema); })));
    CHECK(refused(message_of([&] { run.load(directory / "latest"); })));
    CHECK_FALSE(fs::exists(directory / "new"));
  }
  CHECK(other.load(directory / "latest").step == 3);
  CHECK(other.sum() == run.sum());
  run.save(directory / "latest", 4);
  CHECK(other.load(directory / "latest").step == 4);
  CHECK(other.sum() == run.sum());
}

TEST_CASE("a run resumes from shards of its optimizer and averages") {
  const Scratch directory;
  Run run, other;
  run.train(3);
  run.save(directory / "latest");
  for (const std::string name : {"optimizer", "ema"}) {
    const auto path = directory / "latest" / "first" / (name + ".safetensors");
    {
      const auto in = mg::Checkpoint::open(path);
      std::vector<mg::NamedShape> declared(in.names().begin(), in.names().end());
      mg::CheckpointWriter writer(path, declared, in.metadata(),
                                  {.shard_bytes = 100, .existing = mg::Existing::replace});
      for (const auto& t : in.tensors()) writer.write(t.name, {t.data, t.bytes});
      writer.commit();
    }
    fs::remove(path);
    REQUIRE(fs::exists(path.string() + ".index.json"));
  }
  CHECK(other.load(directory / "latest").step == 3);
  CHECK(other.sum() == run.sum());
}

TEST_CASE("a model by itself is saved without folders, a pipeline with parameters of its own not at all") {
  const Scratch directory;
  Odd odd;
  mg::AdamW<float, mg::Cpu> adam(odd, {});
  mg::Ema<float, mg::Cpu>* const no_average = nullptr;
  CHECK_THROWS_AS(mg::save_run(directory / "odd", odd, adam, no_average, {}), mg::error);
  CHECK(names_in(directory.path()).empty());

  mg::AdamW<float, mg::Cpu> alone(odd.first, {});
  mg::save_run(directory / "alone", odd.first, alone, no_average, {});
  CHECK(names_in(directory / "alone") ==
        std::vector<std::string>{"config.json", "model.safetensors", "optimizer.safetensors", "trainer.json"});
}

TEST_CASE("a place that cannot be written is refused") {
  const Scratch directory;
  std::ofstream(directory / "file") << "text";
  Run run;
  CHECK_THROWS_AS(run.save(directory / "file"), mg::io_error);
  CHECK_THROWS_AS(run.save(directory / "file" / "latest"), mg::io_error);
  CHECK_THROWS_AS(run.save(directory / "missing" / "latest"), mg::io_error);
  CHECK(names_in(directory.path()) == std::vector<std::string>{"file"});
}

TEST_CASE("when the disk is full the older save stays and nothing half-written is left") {
  const Scratch directory;
  Run run, other;
  run.train(3);
  run.save(directory / "latest");
  const double before = run.sum();
  run.train(1);
  std::string message;
  {
    const mg::testing::SmallFiles no_room(300);
    message = message_of([&] { run.save(directory / "latest", 4); });
  }
  INFO(message);
  CHECK(message.find(".safetensors") != message.npos);
  CHECK(message.find("cannot write") != message.npos);
  CHECK(other.load(directory / "latest").step == 3);
  CHECK(other.sum() == before);
  CHECK(names_in(directory.path()).size() == 12);
}
