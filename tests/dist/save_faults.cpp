// SPDX-License-Identifier: MIT
// A save that fails on one rank fails on all, and the run saved last stays whole; files that do not belong together are
// refused.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/train/distributed.hpp>

#include <cstdlib>
#include <map>

#include "tests/dist/support/shared_scratch.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/small_files.hpp"
#include "tests/train/tiny_model.hpp"

namespace mg = modelgrow;
namespace fs = std::filesystem;
using mg::testing::message_of;
using mg::testing::ranks;
using mg::testing::says;
using mg::testing::SharedScratch;
using Model = tiny::Pair<float, mg::Cpu>;
using Trainer = mg::Trainer<Model, float, mg::Cpu>;
using State = mg::DistributedOptions::State;

namespace {

/// A run of all ranks, with other data for another `run`.
struct Run {
  Model model;
  Trainer trainer;
  std::int64_t run;
  explicit Run(const fs::path& directory, std::int64_t steps, std::int64_t run = 0, State state = State::sharded)
      : trainer(model, {.steps = steps,
                        .micro_batches = ranks().size(),
                        .schedule = {.peak = 0.01},
                        .ema = mg::EmaOptions{},
                        .directory = directory}),
        run(run) {
    mg::distribute(trainer, ranks(), {.state = state, .sums = mg::Sums::ordered});
  }
  void train() {
    trainer.run([&](auto& tape, std::int64_t i) { return tiny::loss(model, tape, i + 1000 * run); });
  }
};
std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> all;
  for (const auto& e : fs::recursive_directory_iterator(folder))
    if (e.is_regular_file()) all[e.path().lexically_relative(folder).string()] = mg::detail::read_file(e.path());
  return all;
}
template <class F>
void on_the_first(F f) {
  ranks().barrier().wait();
  if (ranks().rank() == 0) f();
  ranks().barrier().wait();
}
/// A shard that is not the first, of the state of a run.
std::string some_shard() { return "optimizer-00002-of-0000" + std::to_string(ranks().size()) + ".safetensors"; }
std::string refused(const fs::path& directory) {
  Run other({}, 9);
  return message_of<mg::error>([&] { other.trainer.resume(directory); });
}

}  // namespace

TEST_CASE("a rank that cannot write fails the save of all, by its number, and the older one stays") {
  for (const State state : {State::whole, State::sharded})
    for (const int full : {0, ranks().size() - 1}) {
      const SharedScratch directory;
      Run run(directory / "run", 3, 0, state);
      run.train();
      const auto before = files_of(directory / "run");
      ranks().barrier().wait();
      {
        std::optional<mg::testing::SmallFiles> no_room;
        if (ranks().rank() == full) no_room.emplace(300);
        const std::string message = message_of<mg::io_error>([&] { run.trainer.save(); });
        INFO(message);
        CHECK(says(message, "rank " + std::to_string(full) + ": cannot write ", ".safetensors"));
      }
      CHECK(directory.entries() == 1);
      CHECK(files_of(directory / "run") == before);
      ranks().barrier().wait();
      run.trainer.save();  // there is room again
      CHECK(directory.entries() == 1);
      CHECK(files_of(directory / "run") == before);
    }
}

TEST_CASE("a run that cannot be saved where it is to be fails on all ranks") {
  const SharedScratch directory;
  on_the_first([&] { mg::detail::write_file(directory / "file", "no folder"); });
  Run run(directory / "file" / "run", 1);
  const std::string message = message_of<mg::io_error>([&] { run.train(); });
  CHECK(says(message, "rank 0: cannot write ", "run"));
}

TEST_CASE("files that are missing, or of another step or run, are named") {
  const SharedScratch directory;
  Run(directory / "run", 6).train();
  Run(directory / "earlier", 3).train();
  Run(directory / "another", 6, 1).train();
  CHECK(refused(directory / "run").empty());
  const auto swapped = [&](const std::string& file, const fs::path& other) {
    on_the_first([&] {
      fs::remove_all(directory / "mixed");
      fs::copy(directory / "run", directory / "mixed", fs::copy_options::recursive);
      fs::remove(directory / "mixed" / file);
      if (!other.empty()) fs::copy_file(other / file, directory / "mixed" / file);
    });
    return refused(directory / "mixed");
  };
  const std::string shard = some_shard(), of_many = std::to_string(ranks().size()) + " files that it names";
  CHECK(says(swapped("first/" + shard, {}), of_many, shard, "missing"));
  for (const char* other : {"earlier", "another"}) {
    CHECK(says(swapped("first/" + shard, directory / other), shard, "'save_mark'", "different steps or runs"));
    CHECK(says(swapped("trainer.json", directory / other), "trainer.json", "different steps or runs"));
  }
  on_the_first([&] {
    fs::remove_all(directory / "mixed");
    fs::copy(directory / "run", directory / "mixed", fs::copy_options::recursive);
    fs::remove_all(directory / "mixed" / "second");
    fs::copy(directory / "another" / "second", directory / "mixed" / "second");
  });
  CHECK(says(refused(directory / "mixed"), "second", "different steps or runs"));
}

TEST_CASE("rows that no rank has, or two have, are not saved") {
  const SharedScratch directory;
  const auto attempt = [&](mg::RowRange own) {
    mg::Ranks group(
        ranks().rank(), ranks().size(), [](const std::string& text) { return mg::gather_texts(ranks(), text); },
        [](const std::vector<std::string>& to) { return mg::swap_texts(ranks(), to); });
    mg::TensorFile file;
    file.add("w", mg::Tensor<float, mg::Cpu>::zeros({own.size(), 3}), own);
    return message_of<mg::communication_error>(
        [&] { group.together([&] { file.save(directory / "w.safetensors", {}, {.ranks = &group}); }); });
  };
  const int r = ranks().rank(), last = ranks().size() - 1;
  CHECK(attempt({.first = r, .last = r + 1}).empty());
  CHECK(says(attempt({.first = r == last ? r + 1 : r, .last = r == last ? r + 2 : r + 1}),
             "tensor 'w', rank " + std::to_string(last),
             "where rows from " + std::to_string(last) + " on are missing"));
  CHECK(says(attempt({.first = r, .last = r + 2}), "tensor 'w', rank 1 has", "each row once"));
}

/// A run in MODELGROW_TEST_RUN, which rank 1 does not live to save a second time: the system kills it when it writes.
TEST_CASE("a rank is killed while it saves", "[.fault]") {
  const char* directory = std::getenv("MODELGROW_TEST_RUN");
  REQUIRE(directory);
  Run run(fs::path(directory) / "run", 3);
  run.train();
  ranks().barrier().wait();
  std::optional<mg::testing::SmallFiles> no_room;
  if (ranks().rank() == 1) {
    no_room.emplace(300);
    std::signal(SIGXFSZ, SIG_DFL);
  }
  run.trainer.save();
}
/// What is left by that, afterwards.
TEST_CASE("the run saved before that goes on", "[.fault]") {
  const char* directory = std::getenv("MODELGROW_TEST_RUN");
  REQUIRE(directory);
  Run run(fs::path(directory) / "run", 6);
  run.trainer.resume(fs::path(directory) / "run");
  CHECK(run.trainer.step() == 3);
  run.train();
  ranks().barrier().wait();
  CHECK(std::distance(fs::directory_iterator(directory), fs::directory_iterator()) == 1);
}
