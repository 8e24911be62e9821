// SPDX-License-Identifier: MIT
// A checkpoint that several processes grow together has the bytes that one process writes, and what goes wrong with one
// of them goes wrong with all: none is waited for, and nothing half-written gets the name.
#include <fstream>
#include <set>
#include <thread>

#include <modelgrow/dist/gather_texts.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>

#include "tests/dist/support/ranks.hpp"
#include "tests/dist/support/shared_scratch.hpp"
#include "tests/grow/disk.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

namespace mg = modelgrow;
namespace fs = std::filesystem;
using mg::testing::message_of;
using mg::testing::ranks;
using mg::testing::says;
using mg::testing::SharedScratch;

namespace {

std::vector<std::string> gather(const std::string& own) { return mg::gather_texts(ranks(), own); }

std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> all;
  for (const auto& e : fs::recursive_directory_iterator(folder))
    if (e.is_regular_file()) all[e.path().lexically_relative(folder).string()] = mg::detail::read_file(e.path());
  return all;
}

mg::Plan wider(std::int64_t ffn) {
  return mg::plan(tiny::disk_schema({}), mg::InsertBlocks{.every = 1},
                  mg::Net2Wider{.space = "ffn", .to = ffn, .noise_db = 20, .seed = 3},
                  mg::Net2Wider{.space = "hidden", .to = 12});
}

/// A checkpoint with optimizer state and averages, a plan, and what one process makes of them.
struct Growth {
  SharedScratch scratch;
  mg::Plan plan = wider(8);
  mg::WritePlan how;
  std::map<std::string, std::string> expected;
  mg::Report expected_report;

  explicit Growth(std::uint64_t shard_bytes = 0)
      : how{.shard_bytes = shard_bytes, .keep_bytes = 0, .window_bytes = 4096} {
    if (ranks().rank() == 0) tiny::make_directory<float>(scratch / "base", {});
    ranks().barrier().wait();
    const auto whole = "whole" + std::to_string(ranks().rank());
    expected_report = plan.write(in(), scratch / whole, how);
    expected = files_of(scratch / whole);
    fs::remove_all(scratch / whole);
    ranks().barrier().wait();
  }
  mg::Checkpoint in() const { return mg::Checkpoint::open(scratch / "base"); }
  fs::path out() const { return scratch / "grown"; }
  fs::path partial() const { return scratch / "grown.partial"; }
  /// By all ranks.
  mg::Report write(const mg::Plan& by, const mg::Checkpoint& from, const fs::path& to, mg::WritePlan options) const {
    mg::Ranks group(ranks().rank(), ranks().size(), gather);
    options.ranks = &group;
    return by.write(from, to, options);
  }
  mg::Report write(const mg::WritePlan& options) const { return write(plan, in(), out(), options); }
  void check_whole() const {
    CHECK(files_of(out()) == expected);
    CHECK(scratch.entries() == 2);
  }
  void remove_output() const {
    ranks().barrier().wait();
    if (ranks().rank() == 0) fs::remove_all(out());
    ranks().barrier().wait();
  }
};

struct Stopped {};  // no error of the library

/// The options of a rank which fails at its second window.
template <class Error>
mg::WritePlan failing(mg::WritePlan how, int rank, const Error& error) {
  if (ranks().rank() == rank)
    how.progress = [error, windows = std::make_shared<int>(0)](const mg::ProgressReport&) {
      if (++*windows == 2) throw error;
    };
  return how;
}

}  // namespace

TEST_CASE("ranks together write the bytes that one of them writes") {
  for (const std::uint64_t shard_bytes : {0, 3000}) {
    INFO("shards of " << shard_bytes);
    const Growth g(shard_bytes);
    REQUIRE(g.expected_report.grown_along.size() == 2);  // optimizer and averages
    std::set<std::string> made;
    auto how = g.how;
    how.progress = [&](const mg::ProgressReport& r) { made.insert(r.what); };
    const auto report = g.write(how);
    g.check_whole();
    CHECK_FALSE(made.empty());  // by every rank

    CHECK(report.checked == g.expected_report.checked);
    CHECK(report.max_residual == g.expected_report.max_residual);
    CHECK(report.worst == g.expected_report.worst);
    REQUIRE(report.tensors.size() == g.expected_report.tensors.size());
    for (std::size_t i = 0; i < report.tensors.size(); ++i) {
      CHECK(report.tensors[i].rule == g.expected_report.tensors[i].rule);
      CHECK(report.tensors[i].residual == g.expected_report.tensors[i].residual);
    }
  }
}

TEST_CASE("an error of one rank is an error of all, which names it, and leaves nothing behind") {
  const Growth g;
  auto how = g.how;
  how.keep_bytes = mg::WritePlan{}.keep_bytes;
  for (int rank = 0; rank < ranks().size(); ++rank) {
    const std::string text =
        message_of<std::exception>([&] { g.write(failing(how, rank, mg::io_error("the disk is gone"))); });
    CHECK(says(text, "rank " + std::to_string(rank) + ": the disk is gone"));
    CHECK_THROWS_AS(g.write(failing(how, rank, mg::io_error("the disk is gone"))), mg::io_error);
    CHECK_THROWS_AS(g.write(failing(how, rank, mg::check_error("is not zero"))), mg::check_error);
    CHECK(g.scratch.entries() == 1);
  }
  g.write(how);
  g.check_whole();
}

TEST_CASE("what ranks have written before one of them failed is kept, and any number of ranks goes on with it") {
  const Growth g;
  const int last = ranks().size() - 1;
  const auto stop = [&] {
    bool stopped = false;
    try {
      g.write(failing(g.how, last, Stopped{}));
    } catch (const Stopped&) {
      stopped = ranks().rank() == last;
    } catch (const std::runtime_error& e) {
      stopped = ranks().rank() != last && says(e.what(), "rank " + std::to_string(last));
    }
    CHECK(stopped);
    CHECK(g.scratch.entries() == 2);
    REQUIRE(fs::exists(g.partial()));
    CHECK(mg::detail::Journal::windows_in(g.partial()) > 0);
    ranks().barrier().wait();
  };
  stop();
  g.write(g.how);
  g.check_whole();
  g.remove_output();

  stop();
  if (ranks().rank() == 0) g.plan.write(g.in(), g.out(), g.how);
  ranks().barrier().wait();
  g.check_whole();
}

TEST_CASE("a rank that comes with another plan, source or way of writing is named and refused") {
  const Growth g;
  const int last = ranks().size() - 1;
  const bool other = ranks().rank() == last;
  const std::string who = "rank " + std::to_string(last) + " came with another ";
  const auto refused = [&](const mg::Plan& plan, const mg::Checkpoint& from, const mg::WritePlan& how) {
    CHECK_THROWS_AS(g.write(plan, from, g.out(), how), mg::plan_error);
    return message_of<std::exception>([&] { g.write(plan, from, g.out(), how); });
  };
  CHECK(says(refused(wider(other ? 9 : 8), g.in(), g.how), who + "plan"));
  if (other) tiny::make_directory<float>(g.scratch / "copy", {});
  ranks().barrier().wait();
  CHECK(says(refused(g.plan, mg::Checkpoint::open(g.scratch / (other ? "copy" : "base")), g.how),
             who + "state of the source"));
  auto how = g.how;
  if (other) how.window_bytes *= 2;
  CHECK(says(refused(g.plan, g.in(), how), who + "layout of files"));
  CHECK(g.scratch.entries() == 2);
}

TEST_CASE("a folder that not all ranks see is noticed before anything is written") {
  const Growth g;
  const int last = ranks().size() - 1;
  if (ranks().rank() == last) fs::create_directory(g.scratch / "of-one-machine");
  ranks().barrier().wait();
  const auto out = ranks().rank() == last ? g.scratch / "of-one-machine" / "grown" : g.out();
  CHECK_THROWS_AS(g.write(g.plan, g.in(), out, g.how), mg::io_error);
  CHECK(says(message_of<std::exception>([&] { g.write(g.plan, g.in(), out, g.how); }),
             "rank " + std::to_string(last) + " does not see what rank 0 writes"));
  CHECK(g.scratch.entries() == 2);
}

TEST_CASE("ranks that still work learn that another has failed") {
  const SharedScratch scratch;
  mg::Ranks group(ranks().rank(), ranks().size(), gather);
  const int last = ranks().size() - 1;
  const auto work = [&] {
    group.meet_in(scratch / "");
    if (group.rank() == last) throw mg::io_error("the disk is full");
    for (;;) {  // ends by an exception only
      group.check();
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  };
  CHECK(says(message_of<std::exception>([&] { group.together(work); }),
             "rank " + std::to_string(last) + ": the disk is full"));
}

TEST_CASE("what all ranks say alike is said without a number") {
  mg::Ranks group(ranks().rank(), ranks().size(), gather);
  CHECK(message_of<std::exception>([&] { group.together([] { throw mg::plan_error("there is no space 'x'"); }); }) ==
        "there is no space 'x'");
}

TEST_CASE("texts of any length are gathered") {
  const auto of = [](int rank) { return std::string(std::size_t(rank) * 70000, char('a' + rank)); };
  const auto all = gather(of(ranks().rank()));
  REQUIRE(int(all.size()) == ranks().size());
  for (int r = 0; r < ranks().size(); ++r) CHECK(all[std::size_t(r)] == of(r));
}
