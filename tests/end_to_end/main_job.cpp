// SPDX-License-Identifier: MIT
// The example programs as a user meets them: what they write, what they say to bad input, and what they leave behind.
#include <array>
#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include <modelgrow/detail/json.hpp>

#include <tests/support/program.hpp>
#include <tests/support/scratch.hpp>

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using modelgrow::testing::ProgramResult;
using modelgrow::testing::run;
using modelgrow::testing::Scratch;

namespace {

const std::string clips =
    std::string(" --clips ") + MODELGROW_SOURCE_DIR + "/examples/data/clips/fluent-emoji-64-base.tar";
const std::string tiny = " --hidden 24 --heads 2 --depth 2 --mlp-ratio 2 --size 2 32 32 --batch 2 --evaluate-every 0";

/// A folder with a base of a few steps in it, and the command that grows it.
struct Job {
  Scratch scratch;
  Job() {
    const ProgramResult r = run("train_base --steps 3 --out " + (scratch / "base").string() + tiny + clips);
    INFO(r.output);
    REQUIRE(r.code == 0);
  }
  fs::path operator/(const std::string& name) const { return scratch / name; }
  std::string command(const std::string& more = "") const {
    return "grow_and_continue --tflop 0.004 --batch 2 --prompts 2 --sample-steps 2 --base " +
           (scratch / "base").string() + " --out " + (scratch / "out").string() + clips + more;
  }
};

}  // namespace

TEST_CASE("the main job grows, proves, trains and reports") {
  const Job job;
  const ProgramResult r = run(job.command());
  INFO(r.output);
  REQUIRE(r.code == 0);
  CHECK_THAT(r.output, Contains("EXACT") && Contains("forward check") && Contains("base, trained on"));
  std::ifstream file(job / "out/report.json");
  const auto report = modelgrow::detail::json::parse(file);
  const double base = report["val_loss"]["base_start"], grown = report["val_loss"]["grown_start"];
  CHECK(std::abs(base - grown) < 1e-5);
  CHECK(report["preservation"]["max_rel"].get<double>() < 1e-5);
  CHECK(report["file_check"]["max_residual"] == 0.0);
  CHECK(report["parameters"]["grown"] > report["parameters"]["base"]);
  for (const char* key : {"base_continued", "grown_continued"}) CHECK(report["val_loss"][key].is_number());
  for (const char* key : {"load", "plan", "write", "train"}) CHECK(report["seconds"][key].is_number());
  CHECK(report["flops"]["grown"] > report["flops"]["base"]);
  CHECK(report["peak_rss_mb"] > 0);
  for (const char* name :
       {"report.md", "curves.png", "samples.png", "samples.gif", "grown/transformer/model.safetensors",
        "grown/transformer/plan.json", "grown/text_encoder/model.safetensors"})
    CHECK(fs::file_size(job / "out" / name) > 0);
}

TEST_CASE("a base of one's own is not trained on moving shapes unasked, and emoji exclude other clips") {
  const Job job;
  const ProgramResult r = run("grow --brief --base " + (job / "base").string() + " --out " + (job / "out").string(),
                              "cd " MODELGROW_SOURCE_DIR ";");
  INFO(r.output);
  CHECK(r.code == 0);
  CHECK_THAT(r.output, Contains("captioned clips") && !Contains("endless"));
  CHECK_THAT(run("grow --emoji --shapes 2").output, Contains("--emoji") && Contains("excludes"));
}

TEST_CASE("bad input gets a clear error, a non-zero exit code, and leaves nothing half-written") {
  const Job job;
  const fs::path weights = job / "base/transformer/model.safetensors";
  const auto refused = [&](const std::string& command, const std::string& before = "") {
    const ProgramResult r = run(command, before);
    INFO(r.output);
    CHECK(r.code == 1);
    CHECK_FALSE(fs::exists(job / "out/grown/transformer"));
    for (const auto& entry : fs::recursive_directory_iterator(job.scratch.path()))
      CHECK(entry.path().filename().string().find(".tmp") == std::string::npos);
    return r.output;
  };
  SECTION("truncated checkpoint") {
    fs::resize_file(weights, fs::file_size(weights) - 7);
    CHECK_THAT(refused(job.command()), Contains("model.safetensors"));
  }
  SECTION("altered header") {
    std::fstream f(weights, std::ios::in | std::ios::out | std::ios::binary);
    f.seekp(40);
    f.write("\xff\xff", 2);
    f.close();
    CHECK_THAT(refused(job.command()), Contains("model.safetensors"));
  }
  SECTION("wrong family") {
    fs::remove_all(job / "base/transformer");
    fs::copy(job / "base/text_encoder", job / "base/transformer");
    CHECK_THAT(refused(job.command()), Contains("belong to no known family"));
  }
  SECTION("wrong size in the plan") { CHECK_THAT(refused(job.command(" --ffn 10")), Contains("would not widen")); }
  SECTION("missing archive") {
    CHECK_THAT(refused(job.command(" --clips " + (job / "none.tar").string())), Contains("none.tar"));
  }
  SECTION("missing base") {
    fs::remove_all(job / "base");
    CHECK_THAT(refused(job.command()), Contains("base"));
  }
  SECTION("full disk") { CHECK_THAT(refused(job.command(), "trap '' XFSZ; ulimit -f 60;"), Contains("cannot write")); }
}

TEST_CASE("a run is resumed by the options it began with; others are refused and destroy nothing") {
  const Job job;
  const std::string out = (job / "base").string();
  const auto content = [&](const std::string& file) {
    std::ifstream in(job / "base" / file, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const std::string config = content("transformer/config.json"), weights = content("transformer/model.safetensors");
  const auto resume = [&](const std::string& from, const std::string& to, const std::string& more = "") {
    std::string options = tiny;
    options.replace(options.find(from), from.size(), to);
    return run("train_base --resume --steps 5 --out " + out + options + more + clips);
  };
  for (const auto& [from, to, said] :
       {std::array<std::string, 3>{"--heads 2", "--heads 4", "'num_heads' is 2 there and 4 in this model"},
        {"--hidden 24", "--hidden 24 --text-length 32", "'model_max_length' is 64 there and 32"},
        {"--size 2 32 32", "--size 2 32 16", "'input_size' is [2,32,32] there and [2,32,16]"},
        {"--hidden 24", "--hidden 24 --ngrams 128", "'ngram_buckets' is 4096 there and 128"}}) {
    const ProgramResult r = resume(from, to);
    INFO(r.output);
    CHECK(r.code == 1);
    CHECK_THAT(r.output, Contains(said) && Contains("config.json") && Contains("another directory"));
  }
  const ProgramResult again = run("train_base --steps 5 --out " + out + tiny + clips);  // forgotten: --resume
  INFO(again.output);
  CHECK(again.code == 1);
  CHECK_THAT(again.output, Contains("base holds a run of 3 steps") && Contains("--resume"));
  CHECK(content("transformer/config.json") == config);
  CHECK(content("transformer/model.safetensors") == weights);
  CHECK(resume("--heads 2", "--heads 2", " --lr 1e-4").code == 0);  // how a run is trained may change
  CHECK(content("transformer/config.json") == config);
  CHECK(content("transformer/model.safetensors") != weights);
}

TEST_CASE("Ctrl-C and SIGTERM save the run, exit with 130, and the run goes on from there") {
  const int how = GENERATE(SIGINT, SIGTERM);
  const Job job;
  const fs::path out = job / "long";
  const std::string command = "train_base --steps 100000 --out " + out.string() + tiny + clips;
  ProgramResult stopped;
  std::thread user([&] {
    while (!fs::exists(out.string() + ".jsonl") || fs::file_size(out.string() + ".jsonl") < 100)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    pid_t program = 0;
    std::ifstream(job / "pid") >> program;  // written before the log
    if (program > 0) ::kill(program, how);
  });
  stopped = run(command, "echo $$ > " + (job / "pid").string() + ";");  // exec keeps the number
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
