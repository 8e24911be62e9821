// SPDX-License-Identifier: MIT
// A growth that was stopped, killed or failed goes on where it was, and ends with the same bytes; nothing is lost to
// another growth, and nothing half-written gets the name.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>

#include <modelgrow/core/rng.hpp>
#include <modelgrow/detail/hash64.hpp>
#include <modelgrow/grow/check_grown.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>

#include "disk.hpp"
#include "faults.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using modelgrow::testing::Faults;
using modelgrow::testing::message_of;
using modelgrow::testing::says;
namespace fs = std::filesystem;

namespace {

const tiny::Config small;
constexpr std::uint64_t window = 4096;

std::string text_of(const fs::path& p) { return modelgrow::detail::read_file(p); }
std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> all;
  for (const auto& e : fs::recursive_directory_iterator(folder))
    if (e.is_regular_file()) all[e.path().lexically_relative(folder).string()] = text_of(e.path());
  return all;
}

Plan everything() {
  return plan(tiny::disk_schema(small), InsertBlocks{.every = 1},
              Net2Wider{.space = "ffn", .to = 8, .noise_db = 20, .seed = 3}, Net2Wider{.space = "hidden", .to = 12});
}
const WritePlan in_small_windows{.keep_bytes = 0, .window_bytes = window};

/// A folder, a plan, and what comes out when nothing happens.
struct Growth {
  tiny::Scratch scratch;
  Plan p = everything();
  WritePlan how = in_small_windows;
  std::map<std::string, std::string> expected;
  std::int64_t windows = 0;

  Growth() {
    tiny::make_directory<float>(scratch / "base", small);
    auto counting = how;
    counting.progress = [&](const ProgressReport&) { ++windows; };
    p.write(in(), scratch / "whole", counting);
    expected = files_of(scratch / "whole");
    REQUIRE(windows > 12);
  }
  Checkpoint in() const { return Checkpoint::open(scratch / "base"); }
  fs::path out() const { return scratch / "grown"; }
  fs::path partial() const { return scratch / "grown.partial"; }
  void write(const WritePlan& options) const { p.write(in(), out(), options); }
  void write() const { write(how); }
  /// Stops after so many windows.
  WritePlan stopping(std::int64_t after) const {
    auto options = how;
    options.progress = [after, seen = std::make_shared<std::int64_t>(0)](const ProgressReport&) {
      if (++*seen == after) throw std::runtime_error("stopped");
    };
    return options;
  }
  void check_whole() const {
    CHECK(files_of(out()) == expected);
    CHECK_FALSE(fs::exists(partial()));
    CHECK(scratch.entries() == 3);
  }
};

}  // namespace

TEST_CASE("a growth that is stopped goes on, and ends with the same bytes") {
  const Growth g;
  for (std::int64_t after = 1; after <= g.windows; after += 3) {
    INFO("after window " << after);
    CHECK_THROWS_AS(g.write(g.stopping(after)), std::runtime_error);
    CHECK_FALSE(fs::exists(g.out()));
    REQUIRE(fs::exists(g.partial()));
    Faults counting({});
    g.write();
    CHECK(counting.writes() <= g.windows + 8 - after);  // the small files, written beside the windows
    g.check_whole();
    fs::remove_all(g.out());
  }
}

// Runs in a process of its own, started by the test below. MODELGROW_TEST_GROWTH is the directory, MODELGROW_TEST_KILL
// the window after which it ends.
TEST_CASE("a growth to be killed", "[.process]") {
  const char *place = std::getenv("MODELGROW_TEST_GROWTH"), *after = std::getenv("MODELGROW_TEST_KILL");
  REQUIRE((place && after));
  auto options = in_small_windows;
  options.progress = [left = std::atoll(after)](const ProgressReport&) mutable {
    if (--left == 0) ::kill(::getpid(), SIGKILL);
  };
  everything().write(Checkpoint::open(fs::path(place) / "base"), fs::path(place) / "grown", options);
}

TEST_CASE("a growth that is killed anywhere goes on, and ends with the same bytes") {
  const Growth g;
  const Rng rng(11);
  for (std::uint64_t round = 0; round < 12; ++round) {
    const auto after = 1 + rng.below(round, std::uint64_t(g.windows) - 1);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::setenv("MODELGROW_TEST_GROWTH", g.scratch.path().c_str(), 1);
      ::setenv("MODELGROW_TEST_KILL", std::to_string(after).c_str(), 1);
      ::execl("/proc/self/exe", "test_grow", "a growth to be killed", nullptr);
      ::_exit(127);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFSIGNALED(status));
    CHECK_FALSE(fs::exists(g.out()));
    CHECK(fs::exists(g.partial()));
    if (round % 3 == 0) continue;  // the next goes on with what this one has left
    g.write();
    g.check_whole();
    fs::remove_all(g.out());
  }
}

TEST_CASE("less than is worth keeping leaves nothing behind") {
  const Growth g;
  auto options = g.stopping(5);
  options.keep_bytes = WritePlan{}.keep_bytes;
  CHECK_THROWS_AS(g.write(options), std::runtime_error);
  CHECK(g.scratch.entries() == 2);
}

TEST_CASE("a full disk and a disk that fails are named with the place, whenever it happens") {
  const Growth g;
  for (const int code : {ENOSPC, EIO, EDQUOT})
    for (std::int64_t at = 0; at < g.windows; at += 5) {
      INFO("write " << at);
      std::string text;
      {
        const Faults failing({.write = at, .code = code});
        text = message_of<io_error>([&] { g.write(); });
      }
      INFO(text);
      CHECK(says(text, "grown.partial/", std::generic_category().message(code)));
      CHECK_FALSE(fs::exists(g.out()));
      if (fs::exists(g.partial())) CHECK(says(text, "is kept in", "--no-resume"));
      g.write();
      g.check_whole();
      fs::remove_all(g.out());
    }
  const Faults halves({.write = 0, .code = 0});
  g.write();
  g.check_whole();
}

TEST_CASE("a source that cannot be read is named with the place") {
  const Growth g;
  std::int64_t reads = 0;
  {
    const Faults counting({});
    g.write();
    reads = counting.reads();
    fs::remove_all(g.out());
  }
  REQUIRE(reads > 20);
  for (std::int64_t at = 0; at < reads; at += 7) {
    auto options = g.how;
    options.keep_bytes = UINT64_MAX;
    const Faults failing({.read = at});
    const auto text = message_of<io_error>([&] { g.write(options); });
    INFO(text);
    CHECK(says(text, "cannot read bytes ", ".safetensors", "check the disk"));
    CHECK(g.scratch.entries() == 2);
  }
}

TEST_CASE("a source that changes while it is read is noticed") {
  const Growth g;
  auto options = g.how;
  options.progress = [&, seen = 0](const ProgressReport&) mutable {
    if (++seen == 3) fs::last_write_time(g.scratch / "base/ema.safetensors", fs::file_time_type::clock::now());
  };
  const auto text = message_of<check_error>([&] { g.write(options); });
  CHECK(says(text, "ema.safetensors' was changed while it was read", "not kept"));
  CHECK(g.scratch.entries() == 2);
}

TEST_CASE("what was damaged between two tries is made again") {
  const Growth g;
  CHECK_THROWS_AS(g.write(g.stopping(g.windows - 2)), std::runtime_error);
  std::fstream file(g.partial() / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(5000);
  file.put('\x55');
  file.close();
  std::ofstream(g.partial() / modelgrow::detail::Journal::file, std::ios::app) << "0123456789abcdef 1";  // cut short
  g.write();
  g.check_whole();
}

TEST_CASE("an unfinished growth is not mixed with another") {
  const Growth g;
  CHECK_THROWS_AS(g.write(g.stopping(4)), std::runtime_error);
  const auto before = files_of(g.partial());
  const Plan other = plan(tiny::disk_schema(small), InsertBlocks{.every = 1});
  const auto refused = [&](const Plan& p, const WritePlan& how) {
    const auto text = message_of<plan_error>([&] { p.write(g.in(), g.out(), how); });
    CHECK(files_of(g.partial()) == before);
    return text;
  };
  CHECK(says(refused(other, g.how), "unfinished growth that was begun with another plan", "--no-resume"));
  auto shards = g.how;
  shards.shard_bytes = 2000;
  CHECK(says(refused(g.p, shards), "begun with another layout of files"));
  fs::last_write_time(g.scratch / "base/model.safetensors", fs::file_time_type::clock::now());
  CHECK(says(refused(g.p, g.how), "begun with another state of the source"));

  auto anew = g.how;
  anew.unfinished = Unfinished::begin_anew;
  g.write(anew);
  g.check_whole();
}

TEST_CASE("two writers, and folders of others, are refused") {
  const Growth g;
  {
    const modelgrow::detail::ResumableDirectory first(g.out(), Existing::refuse, Unfinished::go_on);
    CHECK(says(message_of<io_error>([&] { g.write(); }), "another process is writing it", "grown.partial"));
  }
  fs::create_directory(g.partial());
  modelgrow::detail::write_file(g.partial() / "precious", "x");
  auto anew = g.how;
  anew.unfinished = Unfinished::begin_anew;
  for (const auto& how : {g.how, anew})
    CHECK(says(message_of<io_error>([&] { g.write(how); }), "grown.partial' is in the way", "no unfinished growth"));
  CHECK(text_of(g.partial() / "precious") == "x");
}

TEST_CASE("checksums tell what a disk or a copy has done to a file") {
  const Growth g;
  const auto sums = read_checksums(g.scratch / "whole");
  CHECK(sums.files.size() == 3);
  check_checksums(sums, g.scratch / "whole");
  std::fstream file(g.scratch / "whole/model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(6000);
  file.put('\x55');
  file.close();
  CHECK(says(message_of<check_error>([&] { check_checksums(sums, g.scratch / "whole"); }),
             "model.safetensors: bytes 4096 to 8192 are not what was written"));
  fs::resize_file(g.scratch / "whole/model.safetensors", 6000);
  CHECK(says(message_of<check_error>([&] { check_checksums(sums, g.scratch / "whole"); }), "has 6000 bytes"));
  fs::remove(g.scratch / "whole/model.safetensors");
  CHECK(says(message_of<check_error>([&] { check_checksums(sums, g.scratch / "whole"); }), "is missing"));
  for (const char* wrong :
       {"[]", R"({"hash": "md5"})", R"({"hash": "xxh64", "window_bytes": 100, "files": {}})",
        R"({"hash": "xxh64", "window_bytes": 4096, "files": 3})",
        R"({"hash": "xxh64", "window_bytes": 4096, "files": {"a": {"bytes": 5000, "windows": ["0123456789abcdef"]}}})",
        R"({"hash": "xxh64", "window_bytes": 4096, "files": {"a": {"bytes": 50, "windows": ["x"]}}})"}) {
    modelgrow::detail::write_file(g.scratch / "whole/checksums.json", wrong);
    CHECK(says(message_of<format_error>([&] { read_checksums(g.scratch / "whole"); }), "checksums.json: "));
  }
}

TEST_CASE("the checksum is XXH64") {
  const auto of = [](std::string_view text) { return modelgrow::detail::hash64(std::as_bytes(std::span(text))); };
  CHECK(of("") == 0xef46db3751d8e999);
  CHECK(of("a") == 0xd24ec4f1a98c6e5b);
  CHECK(of("abc") == 0x44bc2cf5ad770999);
  std::string all;
  for (int i = 0; i < 1000; ++i) all += char(i % 251);
  for (std::size_t n = 0; n < 200; ++n) CHECK(of(all.substr(0, n)) != of(all.substr(1, n + 1)));
}
