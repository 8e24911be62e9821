// SPDX-License-Identifier: MIT
// Jobs run in processes: each after its parent, none twice, and a failure takes down only what needs it.
#include <benchmarks/growth/processes.hpp>

#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/train/checkpointing.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

using namespace growth;
using mg::testing::Scratch;

namespace {

/// A process that notes its turn, and writes done.json unless it is to fail.
std::vector<std::string> shell(const std::filesystem::path& root, const std::string& key) {
  const std::string folder = (root / key).string();
  const std::string done = R"({"step":1,"parameters":1,"flops":1,"seconds":1,"measuring_seconds":0,"peak_mb":1})";
  return {"/bin/sh", "-c",
          "echo " + key + " $OMP_NUM_THREADS >> " + (root / "order").string() + "; case " + key +
              " in bad*) echo it broke; exit 3 ;; esac; echo '" + done + "' > " + folder + "/done.json"};
}

struct Ran {
  JobsReport report;
  std::vector<std::string> order;
};

Ran run(const Scratch& folder, const std::vector<Job>& jobs, int processes) {
  const Cache cache(folder.path());
  for (const Job& job : jobs) mg::detail::make_directory(cache.folder(job.key));
  Ran ran{
      run_jobs(jobs, {.count = processes}, cache, [&](const std::string& key) { return shell(folder.path(), key); }),
      {}};
  if (!std::filesystem::exists(folder / "order")) return ran;
  std::istringstream lines(mg::detail::read_file(folder / "order"));
  for (std::string line; std::getline(lines, line);) ran.order.push_back(line.substr(0, line.find(' ')));
  return ran;
}

}  // namespace

TEST_CASE("a job waits for its parent, wherever that stands in the list") {
  const Scratch folder;
  const auto ran = run(folder, {{.key = "c", .after = "b"}, {.key = "b", .after = "a"}, {.key = "a"}}, 2);
  CHECK(ran.order == std::vector<std::string>{"a", "b", "c"});
  CHECK(ran.report.finished == 3);
  CHECK(ran.report.left == 0);
  CHECK_FALSE(ran.report.interrupted);
  CHECK(run(folder, {{.key = "c", .after = "b"}, {.key = "b", .after = "a"}, {.key = "a"}}, 2).order.size() == 3);
}

TEST_CASE("a job that fails takes down what needs it and nothing else") {
  const Scratch folder;
  const auto ran =
      run(folder,
          {{.key = "bad"}, {.key = "child", .after = "bad"}, {.key = "other"}, {.key = "after", .after = "other"}}, 1);
  CHECK(ran.order == std::vector<std::string>{"bad", "other", "after"});
  CHECK(ran.report.finished == 2);
  CHECK(ran.report.failed == 1);
  CHECK(ran.report.left == 1);
  CHECK(mg::detail::read_file(folder / "bad/output.txt") == "it broke\n");
}

TEST_CASE("a process has as many threads as it is given") {
  const Scratch folder;
  const Cache cache(folder.path());
  mg::detail::make_directory(cache.folder("a"));
  run_jobs({{.key = "a"}}, {.threads = 3}, cache, [&](const std::string& key) { return shell(folder.path(), key); });
  CHECK(mg::detail::read_file(folder / "order") == "a 3\n");
}

TEST_CASE("a program that cannot be started has failed") {
  const Scratch folder;
  const Cache cache(folder.path());
  mg::detail::make_directory(cache.folder("a"));
  const auto report = run_jobs({{.key = "a"}}, {}, cache,
                               [](const std::string&) { return std::vector<std::string>{"/no/such/program"}; });
  CHECK(report.failed == 1);
}
