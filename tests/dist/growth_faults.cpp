// SPDX-License-Identifier: MIT
// A rank that dies or hangs while a checkpoint grows ends all of them, with a line that names the rank and its tensor,
// and the next growth goes on. The first of these cases are runs of their own: tests/CMakeLists.txt starts them.
#include <modelgrow/dist/growth_watchdog.hpp>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>

#include "tests/dist/support/shared_scratch.hpp"
#include "tests/grow/disk.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

namespace mg = modelgrow;
namespace fs = std::filesystem;
using namespace std::chrono_literals;
using mg::testing::message_of;
using mg::testing::ranks;
using mg::testing::says;
using mg::testing::SharedScratch;

namespace {

mg::Plan some_plan() {
  return mg::plan(tiny::disk_schema({}), mg::InsertBlocks{.every = 1}, mg::Net2Wider{.space = "ffn", .to = 8});
}
mg::WritePlan in_small_windows() { return {.keep_bytes = 0, .window_bytes = 4096}; }

/// Grows `folder`/base into `folder`/grown by all ranks, under a watchdog.
void grow(const fs::path& folder, const fs::path& signs, const mg::Progress& progress) {
  mg::Ranks group(ranks().rank(), ranks().size(),
                  [](const std::string& own) { return mg::gather_texts(ranks(), own); });
  mg::GrowthWatchdog watchdog(ranks(), {.directory = signs, .limit = 2s});
  watchdog.watch(group);
  mg::WritePlan how = in_small_windows();
  how.progress = progress;
  how.ranks = &group;
  try {
    some_plan().write(mg::Checkpoint::open(folder / "base"), folder / "grown", how);
  } catch (const mg::error&) {
    watchdog.end();
    throw;
  }
  watchdog.end();
}
void make_base(const fs::path& folder) {
  if (ranks().rank() == 0) tiny::make_directory<float>(folder / "base", {});
  ranks().barrier().wait();
}

fs::path folder_of_run() {
  const char* folder = std::getenv("MODELGROW_TEST_RUN");
  REQUIRE(folder);
  return folder;
}
/// In its second window rank 1 does f(), while the signs of life of all ranks are there.
template <class F>
void grow_until(F f) {
  const fs::path folder = folder_of_run();
  make_base(folder);
  grow(folder, folder / "grown.ranks", [&, windows = 0](const mg::ProgressReport&) mutable {
    if (ranks().rank() != 1 || ++windows != 2) return;
    for (int r = 0; r < ranks().size(); ++r)
      REQUIRE(fs::exists(folder / "grown.ranks" / ("rank-" + std::to_string(r))));
    f();
  });
}

}  // namespace

TEST_CASE("a rank is killed while it grows", "[.fault]") {
  grow_until([] { std::raise(SIGKILL); });
}
TEST_CASE("a rank is stopped while it grows", "[.fault]") {
  grow_until([] {
    std::this_thread::sleep_for(600ms);  // after a sign of life that tells of this tensor
    std::raise(SIGSTOP);
  });
}
TEST_CASE("a rank hangs while it grows", "[.fault]") {
  grow_until([] { std::this_thread::sleep_for(1h); });
}
/// What is left by these, afterwards.
TEST_CASE("the growth that ended so goes on", "[.fault]") {
  const fs::path folder = folder_of_run();
  REQUIRE(mg::detail::Journal::windows_in(folder / "grown.partial") > 0);
  ranks().barrier().wait();
  grow(folder, folder / "grown.ranks", {});
  CHECK(std::distance(fs::directory_iterator(folder), fs::directory_iterator()) == 2);
  const SharedScratch alone;
  if (ranks().rank() != 0) return;
  some_plan().write(mg::Checkpoint::open(folder / "base"), alone / "grown", in_small_windows());
  for (const auto& file : fs::recursive_directory_iterator(alone / "grown"))
    if (file.is_regular_file())
      CHECK(mg::detail::read_file(file.path()) ==
            mg::detail::read_file(folder / "grown" / file.path().lexically_relative(alone / "grown")));
}

TEST_CASE("ranks that are watched while they grow leave no sign of it, also after an error") {
  const SharedScratch scratch;
  make_base(scratch.path());
  const auto signs = scratch / "grown.ranks";
  if (ranks().rank() == 0) {  // of a rank that was killed
    fs::create_directory(signs);
    mg::detail::write_file(signs / "rank-9", "tensor 'x', computing\n");
  }
  ranks().barrier().wait();
  const int last = ranks().size() - 1;
  CHECK(says(message_of<mg::check_error>([&] {
               grow(scratch.path(), signs, [&](const mg::ProgressReport&) {
                 if (ranks().rank() == last) throw mg::check_error("is not zero");
               });
             }),
             "rank " + std::to_string(last) + ": is not zero"));
  CHECK(scratch.entries() == 1);
  grow(scratch.path(), signs, [&](const mg::ProgressReport&) { CHECK_FALSE(fs::exists(signs / "rank-9")); });
  CHECK(scratch.entries() == 2);
}

TEST_CASE("what is not of the ranks stays in their folder of signs") {
  const SharedScratch scratch;
  make_base(scratch.path());
  if (ranks().rank() == 0) {
    fs::create_directory(scratch / "notes");
    mg::detail::write_file(scratch / "notes" / "mine", "of a user");
  }
  ranks().barrier().wait();
  grow(scratch.path(), scratch / "notes", {});
  CHECK(mg::detail::read_file(scratch / "notes" / "mine") == "of a user");
  CHECK(scratch.entries() == 3);
}

TEST_CASE("where ranks cannot leave signs of life they do not begin") {
  const SharedScratch scratch;
  make_base(scratch.path());
  if (ranks().rank() == 0) mg::detail::write_file(scratch / "file", "no folder");
  ranks().barrier().wait();
  const auto attempt = [&](const fs::path& signs) {
    return message_of<mg::io_error>([&] { grow(scratch.path(), signs, {}); });
  };
  CHECK(says(attempt(scratch / "file" / "signs"), "rank 0: cannot make '", "signs', where ranks leave signs of life"));
  CHECK(says(attempt(scratch / "file"), "cannot "));
  CHECK(scratch.entries() == 2);
}
