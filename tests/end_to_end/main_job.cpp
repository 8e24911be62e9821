// SPDX-License-Identifier: MIT
// The example programs as a user meets them: what they write, what they say to bad input, and what they leave behind.
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <modelgrow/detail/json.hpp>

#include <tests/support/program.hpp>

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using modelgrow::testing::ProgramResult;
using modelgrow::testing::run;

namespace {

const std::string clips =
    std::string(" --clips ") + MODELGROW_SOURCE_DIR + "/examples/data/clips/fluent-emoji-64-base.tar";
const std::string tiny = " --hidden 24 --heads 2 --depth 2 --mlp-ratio 2 --size 2 32 32 --batch 2 --evaluate-every 0";

/// A folder of its own with a base of a few steps in it.
struct Scratch {
  fs::path path = fs::temp_directory_path() / ("modelgrow_main_job_" + std::to_string(::getpid()));
  Scratch() {
    fs::remove_all(path);
    fs::create_directories(path);
    const ProgramResult r = run("train_base --steps 3 --out " + (path / "base").string() + tiny + clips);
    INFO(r.output);
    REQUIRE(r.code == 0);
  }
  ~Scratch() { fs::remove_all(path); }
  std::string job(const std::string& more = "") const {
    return "grow_and_continue --tflop 0.004 --batch 2 --prompts 2 --sample-steps 2 --base " + (path / "base").string() +
           " --out " + (path / "out").string() + clips + more;
  }
};

}  // namespace

TEST_CASE("the main job grows, proves, trains and reports") {
  const Scratch scratch;
  const ProgramResult r = run(scratch.job());
  INFO(r.output);
  REQUIRE(r.code == 0);
  CHECK_THAT(r.output, Contains("EXACT") && Contains("forward check") && Contains("validation loss after"));
  std::ifstream file(scratch.path / "out/report.json");
  const auto report = modelgrow::detail::json::parse(file);
  const double base = report["val_loss"]["base_start"], grown = report["val_loss"]["grown_start"];
  CHECK(std::abs(base - grown) < 1e-5);
  CHECK(report["preservation"]["max_rel"].get<double>() < 1e-5);
  CHECK(report["file_check"]["max_residual"] == 0.0);
  CHECK(report["parameters"]["grown"] > report["parameters"]["base"]);
  for (const char* key : {"base_continued", "grown_continued", "scratch"}) CHECK(report["val_loss"][key].is_number());
  for (const char* key : {"load", "plan", "write", "train"}) CHECK(report["seconds"][key].is_number());
  CHECK(report["flops"]["grown"] > report["flops"]["base"]);
  CHECK(report["peak_rss_mb"] > 0);
  for (const char* name :
       {"report.md", "curves.png", "samples.png", "samples.gif", "grown/transformer/model.safetensors",
        "grown/transformer/plan.json", "grown/text_encoder/model.safetensors"})
    CHECK(fs::file_size(scratch.path / "out" / name) > 0);
}

TEST_CASE("bad input gets a clear error, a non-zero exit code, and leaves nothing half-written") {
  const Scratch scratch;
  const fs::path weights = scratch.path / "base/transformer/model.safetensors";
  const auto refused = [&](const std::string& command, const std::string& before = "") {
    const ProgramResult r = run(command, before);
    INFO(r.output);
    CHECK(r.code == 1);
    CHECK_FALSE(fs::exists(scratch.path / "out/grown/transformer"));
    for (const auto& entry : fs::recursive_directory_iterator(scratch.path))
      CHECK(entry.path().filename().string().find(".tmp") == std::string::npos);
    return r.output;
  };
  SECTION("truncated checkpoint") {
    fs::resize_file(weights, fs::file_size(weights) - 7);
    CHECK_THAT(refused(scratch.job()), Contains("model.safetensors"));
  }
  SECTION("altered header") {
    std::fstream f(weights, std::ios::in | std::ios::out | std::ios::binary);
    f.seekp(40);
    f.write("\xff\xff", 2);
    f.close();
    CHECK_THAT(refused(scratch.job()), Contains("model.safetensors"));
  }
  SECTION("wrong family") {
    fs::remove_all(scratch.path / "base/transformer");
    fs::copy(scratch.path / "base/text_encoder", scratch.path / "base/transformer");
    CHECK_THAT(refused(scratch.job()), Contains("belong to no known family"));
  }
  SECTION("wrong size in the plan") { CHECK_THAT(refused(scratch.job(" --ffn 10")), Contains("would not widen")); }
  SECTION("missing archive") {
    CHECK_THAT(refused(scratch.job(" --clips " + (scratch.path / "none.tar").string())), Contains("none.tar"));
  }
  SECTION("missing base") {
    fs::remove_all(scratch.path / "base");
    CHECK_THAT(refused(scratch.job()), Contains("base"));
  }
  SECTION("full disk") { CHECK_THAT(refused(scratch.job(), "trap '' XFSZ; ulimit -f 60;"), Contains("cannot write")); }
}

TEST_CASE("Ctrl-C saves the run, exits with 130, and the run goes on from there") {
  const Scratch scratch;
  const fs::path out = scratch.path / "long";
  const std::string command = "train_base --steps 100000 --out " + out.string() + tiny + clips;
  ProgramResult stopped;
  std::thread user([&] {
    while (!fs::exists(out.string() + ".jsonl") || fs::file_size(out.string() + ".jsonl") < 100)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    pid_t program = 0;
    std::ifstream(scratch.path / "pid") >> program;  // written before the log
    if (program > 0) ::kill(program, SIGINT);
  });
  stopped = run(command, "echo $$ > " + (scratch.path / "pid").string() + ";");  // exec keeps the number
  user.join();
  INFO(stopped.output);
  CHECK(stopped.code == 130);
  REQUIRE(fs::exists(out / "trainer.json"));
  std::ifstream file(out / "trainer.json");
  const auto step = modelgrow::detail::json::parse(file)["step"].get<long>();
  const ProgramResult resumed =
      run("train_base --resume --steps " + std::to_string(step + 2) + " --out " + out.string() + tiny + clips);
  INFO(resumed.output);
  CHECK(resumed.code == 0);
}
