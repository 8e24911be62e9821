// SPDX-License-Identifier: MIT
// Grafting a language model as a user meets it: the job, the study, prompts typed by hand, and what bad input gets.
#include <cmath>
#include <fstream>

#include <modelgrow/detail/json.hpp>
#include <tests/support/program.hpp>
#include <tests/support/tiny_llm.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

const std::string data = std::string(MODELGROW_SOURCE_DIR) + "/examples/data/",
                  clips = " --clips " + data + "clips/fluent-emoji-64-base.tar";

/// Tiny bases of both kinds, and a tiny language model.
struct Files {
  Scratch scratch;
  std::string llm = TinyLlm{}.in(scratch).string();
  std::string base = make("base", clips), digits = make("digits", " --digits 16");

  std::string make(const std::string& name, const std::string& what) const {
    const std::string out = (scratch / name).string();
    const auto r = run_in_source(
        "train_base --steps 2 --hidden 24 --heads 2 --depth 2 --mlp-ratio 2 --size 2 32 32 "
        "--batch 2 --ngrams 16 --evaluate-every 0 --out " +
        out + what);
    INFO(r.output);
    REQUIRE(r.code == 0);
    return out;
  }
  /// The programs find their data below the directory they start in.
  static ProgramResult run_in_source(const std::string& command) {
    return run(command, std::string("cd ") + MODELGROW_SOURCE_DIR + ";");
  }
  ProgramResult job(const std::string& llm_path, const std::string& more = "") const {
    return run_in_source("graft_and_continue --llm " + llm_path + " --base " + base + " --base-digits " + digits +
                         " --steps 2 --digit-steps 2 --digits 8 --judged 1 --prompts 1 --sample-steps 2 --out " +
                         (scratch / "out").string() + more);
  }
};

detail::json report(const std::filesystem::path& path) {
  std::ifstream file(path);
  return detail::json::parse(file);
}

}  // namespace

TEST_CASE("the graft job proves, trains with and without, judges, and its model answers prompts") {
  const Files files;
  const auto r = files.job(files.llm);
  INFO(r.output);
  REQUIRE(r.code == 0);
  CHECK(says(r.output, "CrossText", "EXACT", "output differs by 0 absolute", "words never trained on"));
  const auto found = report(files.scratch / "out/report.json");
  for (const char* part : {"clips", "digits"}) {
    CHECK(found[part]["output_change"] == 0.0);
    CHECK(found[part]["file_check"]["max_residual"] == 0.0);
    CHECK(found[part]["parameters"]["with"] > found[part]["parameters"]["base"]);
    for (const char* which : {"without", "with"})
      CHECK(found[part][which]["keywords"] != found[part][which]["captions"]);
  }
  for (const char* digits : {"one_digit", "two_digits"}) CHECK(found["judged"]["with"][digits]["label"].is_number());

  const std::string model = (files.scratch / "out/clips/with").string(), out = (files.scratch / "red").string();
  const auto prompt = [&](const std::string& more) {
    return Files::run_in_source("prompt 'a red heart' 'a cat' --steps 2 --out " + out + " --model " + model + more);
  };
  const auto drawn = prompt(" --llm " + files.llm);
  INFO(drawn.output);
  CHECK(drawn.code == 0);
  CHECK(std::filesystem::file_size(out + ".gif") > 100);
  CHECK(std::filesystem::file_size(out + ".png") > 100);
  const auto blind = prompt("");
  CHECK(blind.code == 1);
  CHECK(says(blind.output, "reads prompts with the language model 'tiny.gguf'", "--llm"));
  const auto other = prompt(" --llm " + TinyLlm{.seed = 2}.in(files.scratch, "other.gguf").string());
  CHECK(other.code == 1);
  CHECK(says(other.output, "another language model", "'tiny.gguf'"));

  const auto deaf =
      Files::run_in_source("prompt 'a cat' --steps 1 --out " + out + " --model " + files.base + " --llm " + files.llm);
  CHECK(deaf.code == 1);
  CHECK(says(deaf.output, "reads no language model", "--llm"));

  // A cache alone is enough; one that knows the clips only leaves the digits out.
  const auto encoded = Files::run_in_source(
      "encode --model " + files.llm + clips + " --keywords --mean --layers all --max-length 32 --crop-start caption " +
      "--template 'An animated picture of {}' --out " + (files.scratch / "states.safetensors").string());
  INFO(encoded.output);
  REQUIRE(encoded.code == 0);
  const auto cached = files.job((files.scratch / "states.safetensors").string());
  INFO(cached.output);
  CHECK(cached.code == 0);
  CHECK(says(cached.output, "that part is left out", "scripts/get-llm"));
  const auto again = report(files.scratch / "out/report.json");
  CHECK_FALSE(again.contains("digits"));
  CHECK(std::abs(again["clips"]["with"]["captions"].get<double>() - found["clips"]["with"]["captions"].get<double>()) <
        1e-6);
}

TEST_CASE("the graft study writes its table") {
  const Files files;
  const auto r = Files::run_in_source(
      "graft_study --steps 2 --evaluations 1 --seeds 1 2 --runs without pooled concatenated --base " + files.base +
      clips + " --llm " + files.llm + " --work " + (files.scratch / "work").string() + " --out " +
      (files.scratch / "study").string());
  INFO(r.output);
  REQUIRE(r.code == 0);
  const std::string csv = get(files.scratch / "study/graft.csv");
  CHECK(std::ranges::count(csv, '\n') == 7);
  CHECK(says(csv, "run,seed,captions,keywords", "without,1,", "pooled,2,", "concatenated,2,"));
  CHECK(says(get(files.scratch / "study/graft.md"), "2 seed(s)", "tiny.gguf", "graft.png"));
}

TEST_CASE("a swap aligns, says how far the output moves, trains on, and its model answers prompts") {
  const Files files;
  const auto swap = [&](const std::string& llm, const std::string& more = "") {
    return Files::run_in_source("swap_text_encoder --base " + files.base + clips + " --llm " + llm + " --out " +
                                (files.scratch / "swap").string() + more);
  };
  const auto r = swap(files.llm, " --steps 2 --batch 2");
  INFO(r.output);
  REQUIRE(r.code == 0);
  CHECK(says(r.output, "SwapTextEncoder", "APPROXIMATE", "through the map", "R^2", "not aligned: output change"));
  const auto found = report(files.scratch / "swap/report.json");
  CHECK(found["language_model"] == "tiny.gguf");
  CHECK(found["r2"]["fitted"].get<double>() > 0);
  CHECK(found["r2"]["fitted"].get<double>() < 1);
  CHECK(found["r2"]["held_out"].get<double>() < 1);
  CHECK(found["pairs"]["fitted"].get<int>() > found["pairs"]["held_out"].get<int>());
  CHECK(found["without_text"].get<double>() > 0);
  const auto& models = found["models"];
  CHECK(models["before"]["output_change"]["relative"] == 0.0);
  CHECK(models["aligned"]["output_change"]["relative"].get<double>() > 0);
  CHECK(models["aligned"]["output_change"]["relative"] < models["not aligned"]["output_change"]["relative"]);
  for (const char* name : {"before", "aligned", "not aligned"}) {
    CHECK(models[name]["losses"].size() == 3);
    CHECK(models[name]["losses"].back()["step"] == 2);
  }
  CHECK(says(get(files.scratch / "swap/report.md"), "| aligned | 2 |", "held-out texts"));

  // The folder is a pipeline without an encoder of its own, which says how it is fed.
  const std::string model = (files.scratch / "swap/aligned").string(), out = (files.scratch / "red").string();
  CHECK_FALSE(std::filesystem::exists(model + "/text_encoder"));
  const auto swapped = report(model + "/transformer/config.json")["_modelgrow"]["grafts"][0];
  CHECK(swapped["graft"] == "SwapTextEncoder");
  CHECK(says(swapped["options"]["prompt"].get<std::string>(), "tiny.gguf"));
  const auto prompt = [&](const std::string& more) {
    return Files::run_in_source("prompt 'a red heart' --steps 2 --out " + out + " --model " + model + more);
  };
  const auto drawn = prompt(" --llm " + files.llm);
  INFO(drawn.output);
  CHECK(drawn.code == 0);
  CHECK(std::filesystem::file_size(out + ".gif") > 100);
  const auto blind = prompt("");
  CHECK(blind.code == 1);
  CHECK(says(blind.output, "reads prompts with the language model 'tiny.gguf'", "--llm"));
  const auto job = Files::run_in_source("grow_and_continue --tflop 0.004 --batch 2 --base " + model + clips +
                                        " --out " + (files.scratch / "grown").string());
  CHECK(job.code == 1);
  CHECK(says(job.output, "reads a language model as its first text encoder"));

  const auto again = Files::run_in_source("swap_text_encoder --base " + model + clips + " --llm " + files.llm +
                                          " --out " + (files.scratch / "again").string());
  CHECK(again.code == 1);
  CHECK(says(again.output, "no text encoder of its own"));
  const auto states = swap((files.scratch / "states.safetensors").string());
  CHECK(states.code == 1);
  CHECK(says(states.output, "give the language model", "scripts/get-llm"));
}

TEST_CASE("grafts of what is no language model are refused") {
  const Files files;
  const auto refused = [&](const std::string& llm) {
    const auto r = files.job(llm);
    CHECK(r.code == 1);
    return r.output;
  };
  CHECK(says(refused("/nowhere.gguf"), "graft_and_continue: ", "/nowhere.gguf"));
  CHECK(says(refused(files.base + "/transformer/model.safetensors"), "model.safetensors", "cache"));
  const std::string captions = put(files.scratch / "captions.txt", "red heart\n").string(),
                    cache = (files.scratch / "one.safetensors").string();
  REQUIRE(run("encode --model " + files.llm + " --captions " + captions + " --out " + cache).code == 0);
  CHECK(says(refused(cache), "one.safetensors", "no states of the caption", "encode --model"));
  CHECK_FALSE(std::filesystem::exists(files.scratch / "out/clips"));  // before anything is trained
}
