// SPDX-License-Identifier: MIT
// Ranks that die, hang or fail end all of them, with a line that names the rank. Each case is a run of its own, which
// does not come to its end: tests/CMakeLists.txt starts it and looks for the line.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/dist/watchdog.hpp>
#include <modelgrow/train/distributed.hpp>

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "tests/dist/support/ranks.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/scratch.hpp"
#include "tests/train/tiny_model.hpp"

namespace mg = modelgrow;
namespace fs = std::filesystem;
using namespace std::chrono_literals;
using mg::testing::message_of;
using mg::testing::ranks;
using mg::testing::says;
using mg::testing::Scratch;
using Model = tiny::Pair<float, mg::Cpu>;

namespace {

/// Trains; in step 4 rank 1 does f(). Signs of life go to MODELGROW_TEST_RUN.
template <class F>
void train_until(F f) {
  const char* directory = std::getenv("MODELGROW_TEST_RUN");
  REQUIRE(directory);
  Model model;
  mg::Trainer<Model, float, mg::Cpu> trainer(
      model, {.steps = 1000000, .micro_batches = ranks().size(), .schedule = {.peak = 0.01}});
  mg::distribute(trainer, ranks(), {.watchdog = mg::WatchdogOptions{.directory = directory, .limit = 2s}});
  trainer.run([&](auto& tape, std::int64_t i) {
    if (ranks().rank() == 1 && trainer.step() == 3) f();
    return tiny::loss(model, tape, i);
  });
}
std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}
/// What a watchdog of a rank of 2 says within two seconds. A machine that is busy with something else may keep this
/// thread from its signs of life for as long as the watchdog waits: such a time is watched again.
template <class F>
std::string said_by(int rank, const fs::path& directory, const F& meanwhile) {
  using Clock = std::chrono::steady_clock;
  constexpr auto limit = 200ms;
  for (int attempt = 0; attempt < 50; ++attempt) {
    F again = meanwhile;
    std::mutex mutex;
    std::string said;
    Clock::duration longest{};
    {
      mg::Watchdog watchdog(rank, 2, {.directory = directory, .limit = limit}, [&](const std::string& why) {
        const std::lock_guard lock(mutex);
        said = why;
      });
      const auto begin = Clock::now();
      for (auto last = begin; last - begin < 2s;) {
        again(watchdog);
        std::this_thread::sleep_for(5ms);
        longest = std::max(longest, Clock::now() - std::exchange(last, Clock::now()));
        const std::lock_guard lock(mutex);
        if (!said.empty()) break;
      }
    }
    if (longest < limit / 4) return said;
  }
  throw mg::error("this machine is too busy to watch a watchdog");
}

}  // namespace

TEST_CASE("a rank is killed", "[.fault]") {
  train_until([] { std::raise(SIGKILL); });
}
TEST_CASE("a rank is stopped", "[.fault]") {
  train_until([] { std::raise(SIGSTOP); });
}
TEST_CASE("a rank hangs", "[.fault]") {
  train_until([] { std::this_thread::sleep_for(1h); });
}
TEST_CASE("a rank throws", "[.fault]") {
  mg::Mpi own;
  if (own.rank() == 1) throw mg::error("no more data");
  own.barrier().wait();
}

TEST_CASE("a watchdog says who does not go on, and in which step") {
  using Doing = mg::Watchdog::Doing;
  const auto alive = [](const fs::path& file) {
    static int signs = 0;
    std::ofstream(file) << "step 7, computing\nsign " << ++signs << "\n";
  };
  const Scratch directory;
  const fs::path other = directory / "rank-1";
  CHECK(says(said_by(0, directory.path(),
                     [&, once = true](mg::Watchdog& w) mutable {
                       if (std::exchange(once, false)) w.now(4, Doing::computing);
                       alive(other);
                     }),
             "step 4, computing for ", "the limit is "));
  CHECK(says(said_by(0, directory.path(),
                     [&, once = true](mg::Watchdog& w) mutable {
                       if (std::exchange(once, false)) w.now(5, Doing::waiting);
                       alive(other);
                     }),
             "step 5, waiting for other ranks for "));
  CHECK(says(said_by(0, directory.path(), [&](mg::Watchdog& w) { w.now(6, Doing::computing); }),
             "rank 1 has given no sign of life for ", "its last was: step 7, computing"));
  CHECK(says(said_by(1, directory.path(), [&](mg::Watchdog& w) { w.now(6, Doing::computing); }),
             "rank 0 has given no sign of life for "));
}

TEST_CASE("a watchdog is quiet while all go on, while a rank is paused and when one has ended") {
  using Doing = mg::Watchdog::Doing;
  const Scratch directory;
  const fs::path other = directory / "rank-1";
  int signs = 0;
  const auto alive = [&] { std::ofstream(other) << ++signs << "\n"; };
  CHECK(said_by(0, directory.path(), [&](mg::Watchdog& w) {
          w.now(1, Doing::computing);
          alive();
        }).empty());
  CHECK(said_by(0, directory.path(), [&, once = true](mg::Watchdog& w) mutable {
          if (std::exchange(once, false)) w.now(1, Doing::paused);
          alive();
        }).empty());
  {
    const mg::Watchdog ended(1, 2, {.directory = directory.path(), .limit = 1h}, [](const std::string&) {});
  }
  CHECK(says(text_of(other), "ended in step 0"));
  CHECK(said_by(0, directory.path(), [&](mg::Watchdog& w) { w.now(1, Doing::computing); }).empty());
  CHECK(says(text_of(directory / "rank-0"), "ended in step 1, computing"));
}

TEST_CASE("a watchdog needs a directory that can be written") {
  const Scratch directory;
  std::ofstream(directory / "file") << "no directory";
  CHECK(says(message_of<mg::io_error>(
                 [&] { mg::Watchdog(0, 2, {.directory = directory / "file"}, [](const std::string&) {}); }),
             "rank-0", "give the watchdog a directory that all ranks can write"));
}
