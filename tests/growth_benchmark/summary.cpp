// SPDX-License-Identifier: MIT
// Tables come from the files of runs alone: those of data/runs give data/summary.csv, byte for byte.
#include <benchmarks/growth/summary.hpp>

#include <modelgrow/detail/atomic_file.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/scratch.hpp"

using namespace growth;
using mg::testing::message_of;
using mg::testing::says;
using mg::testing::Scratch;

namespace {
const std::filesystem::path data = std::filesystem::path(MODELGROW_SOURCE_DIR) / "tests/growth_benchmark/data";
}

TEST_CASE("the committed runs give the committed table") {
  const auto results = read_results(data);
  REQUIRE(results.size() == 6);
  CHECK(summary_csv(results) == mg::detail::read_file(data / "summary.csv"));
}

TEST_CASE("a result is read as it was written") {
  const Scratch folder;
  const Result r = read_results(data).back();
  write_result(r, folder / "runs/again.jsonl");
  CHECK(mg::detail::read_file(folder / "runs/again.jsonl") ==
        mg::detail::read_file(data / "runs" / "grown--late.3.jsonl"));
  CHECK(summary_csv(read_results(folder.path())) == summary_csv({r}));
}

TEST_CASE("files that are no results are refused by name") {
  const Scratch folder;
  const auto refused = [&](const std::string& text) {
    mg::detail::write_file(folder / "x.jsonl", text);
    return message_of<mg::format_error>([&] { read_result(folder / "x.jsonl"); });
  };
  CHECK(says(refused("{}\n"), "x.jsonl", "1 lines"));
  CHECK(says(refused("{}\n{}\n{}\n"), "x.jsonl", "experiment"));
  CHECK(says(refused("{}\n{}\n{\n"), "x.jsonl, line 3", "remove it, and run the experiment again"));
}

TEST_CASE("arms are compared by seed, and what they save is counted from their curves") {
  const auto results = read_results(data);
  const auto arms = by_arm(results);
  REQUIRE(arms.size() == 2);
  CHECK(arms[0].name == "scratch");
  const Interval d = paired_difference(arms[1].losses(), arms[0].losses());
  CHECK_THAT(d.mean, WithinAbs(0.0012, 1e-9));
  CHECK_THAT(d.half, WithinAbs(4.302653 * 1e-4 / std::sqrt(3.0), 1e-7));
  CHECK_THAT(*arms[0].loss_at(200e9), WithinAbs(0.6 + 0.0007 / 3, 1e-9));
  CHECK_FALSE(arms[0].loss_at(1001e9));
  // 0.15 lies half way between 0.2 and 0.1, which are 400 and 1000 GFLOP; all seeds together are 0.00023 above.
  CHECK_THAT(*flops_to(arms[0], 0.15 + 0.0007 / 3), WithinRel(700e9, 1e-3));
  CHECK_FALSE(flops_to(arms[1], 0.1));
  const std::string text = summary_markdown(results, "An example", "scripts/bench-growth example");
  CHECK(says(text, "# An example", "`scripts/bench-growth example`", "| grown, late |", "0.00120 ± 0.00025",
             "**higher**", "50.0 %, not reached", "0.600 ± 0.000", "core-hours"));
}

TEST_CASE("losses with reworded captions have a column where there are some, told apart seed by seed") {
  auto results = read_results(data);
  CHECK_FALSE(says(summary_markdown(results, "An example", "a test"), "reworded"));
  for (auto& r : results) r.points.back().reworded = (r.arm == "scratch" ? 0.3 : 0.2) + 0.001 * double(r.seed);
  const std::string text = summary_markdown(results, "An example", "a test");
  CHECK(says(text, "| loss, reworded |", " 0.3020 ± 0.0025 |", " **0.2020 ± 0.0025** |"));
  const Scratch folder;
  write_result(results.back(), folder / "x.jsonl");
  CHECK(read_result(folder / "x.jsonl").last().reworded == results.back().last().reworded);
}

TEST_CASE("a table and pictures are written, also of arms of one seed and one measurement") {
  const Scratch folder;
  auto results = read_results(data);
  write_summary(results, folder / "all", "An example", "a test");
  for (const char* file : {"summary.csv", "summary.md", "loss.png", "saved.png"})
    CHECK(std::filesystem::file_size(folder / "all" / file) > 100);
  CHECK_FALSE(std::filesystem::exists(folder / "all/judged.png"));  // judged at the end only
  const auto bytes = [&](const char* file) { return mg::detail::read_file(folder / file); };
  write_summary(results, folder / "some", "An example", "a test", {results[0].arm});
  CHECK(bytes("some/summary.md") == bytes("all/summary.md"));
  CHECK(bytes("some/loss.png") != bytes("all/loss.png"));
  results.resize(1);
  results[0].points.resize(1);
  write_summary(results, folder / "one", "An example", "a test");
  CHECK(std::filesystem::exists(folder / "one/summary.md"));
  CHECK_FALSE(std::filesystem::exists(folder / "one/loss.png"));
}
