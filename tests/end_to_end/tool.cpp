// SPDX-License-Identifier: MIT
// The program `modelgrow` as a user meets it: every command, every exit code, and what a slip of the finger gets.
#include <signal.h>

#include <chrono>
#include <fstream>
#include <thread>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/checkpoint/shards.hpp>
#include <modelgrow/checkpoint/torch_writer.hpp>
#include <modelgrow/version.hpp>
#include <tests/support/message.hpp>
#include <tests/support/program.hpp>
#include <tests/support/releases.hpp>
#include <tests/support/scratch.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {
const std::string base = std::string(MODELGROW_SOURCE_DIR) + "/examples/data/base/transformer";
ProgramResult tool(const std::string& words) { return run("modelgrow " + words); }
}  // namespace

TEST_CASE("inspect tells where layers can go, and which a model was given") {
  const Scratch scratch;
  const std::string out = (scratch / "out").string();
  const auto before = tool("inspect " + base).output;
  CHECK(says(before, "port text, in every block of blocks", "CrossText width=2048", "TemporalConv", "ZeroChannels",
             "GrowHeadDim", "InterpolatePositions", "MixtureOfExperts experts=8"));
  CHECK_FALSE(says(before, "  given "));
  REQUIRE(tool("grow " + base + " " + out + " --temporal-conv kernel=5").code == 0);
  CHECK(says(tool("inspect " + out).output, "given TemporalConv", "\"kernel\":5", "the model has this layer already"));
  const auto j = detail::parse_json(tool("inspect --json " + out).output, "inspection");
  CHECK(j.at("grafts").at(0).at("name") == "TemporalConv");
  CHECK(j.at("ports").size() >= 2);
}

TEST_CASE("it tells its version, and which word it does not take") {
  const auto version = tool("--version");
  CHECK(version.code == 0);
  CHECK(version.output == "modelgrow " + std::to_string(MODELGROW_VERSION_MAJOR) + "." +
                              std::to_string(MODELGROW_VERSION_MINOR) + "." + std::to_string(MODELGROW_VERSION_PATCH) +
                              "\n");
  const auto more = tool("check " + base + " " + base);
  CHECK(more.code == 2);
  CHECK(says(more.output, "'check' takes no further argument", base));
  CHECK(says(tool("chek " + base).output, "there is no command 'chek'"));
}

TEST_CASE("an operator without options leaves the next word alone") {
  CHECK(says(tool("plan " + base + " --temporal-conv --insert-blocks at=1").output, "TemporalConv: add",
             "InsertBlocks: insert block 1"));
  CHECK(says(tool("plan --temporal-conv " + base).output, "TemporalConv: add"));
  CHECK(detail::parse_json(tool("plan " + base + " --temporal-conv --json").output, "plan").contains("certificate"));
}

TEST_CASE("check claims a trajectory where optimizer state was moved, and nothing elsewhere") {
  const Scratch scratch;
  const auto at = [&](const char* name) { return (scratch / name).string(); };
  const std::string trained = std::string(MODELGROW_SOURCE_DIR) + "/examples/data/base-shapes/transformer";
  REQUIRE(tool("grow " + trained + " " + at("with") + " --insert-blocks every=1").code == 0);
  CHECK(says(tool("check " + at("with")).output, "trajectory EXACT"));
  std::filesystem::create_directory(scratch / "weights");
  for (const char* file : {"model.safetensors", "config.json"})
    std::filesystem::copy(trained + "/" + file, scratch / "weights" / file);
  REQUIRE(tool("grow " + at("weights") + " " + at("without") + " --insert-blocks every=1").code == 0);
  CHECK(says(tool("check " + at("without")).output, "trajectory begins anew: no optimizer state was moved"));
  CHECK(says(tool("check --json " + at("without")).output, "\"trajectory\": \"begins anew"));
}

TEST_CASE("convert writes other files of the same numbers, and a folder with all that is of the model") {
  const Scratch scratch;
  const auto at = [&](const char* name) { return (scratch / name).string(); };
  const std::string shapes = std::string(MODELGROW_SOURCE_DIR) + "/examples/data/base-shapes/transformer";
  const auto folder = tool("convert " + shapes + " " + at("torch") + " --to torch --dtype f32");
  INFO(folder.output);
  REQUIRE(folder.code == 0);
  CHECK(says(folder.output, "torch/pytorch_model.bin: 41 tensors", "torch/ema.safetensors",
             "torch/optimizer.safetensors"));
  CHECK(tool("convert " + at("torch") + " " + at("back.safetensors") + " --dtype bf16").code == 0);
  const auto in = Checkpoint::open(shapes), back = Checkpoint::open(at("back.safetensors"));
  for (const auto& t : in.tensors()) {
    const auto& u = back.tensor(t.name);
    CHECK((t.dtype == u.dtype && std::equal(t.data, t.data + t.bytes, u.data, u.data + u.bytes)));
  }
  CHECK(tool("diff " + shapes + " " + at("back.safetensors")).code == 0);
  CHECK(tool("convert " + shapes + " " + at("torch")).code == 4);                   // is there
  CHECK(tool("convert " + shapes + " " + at("x.pt") + " --shard-gb 1").code == 2);  // torch files are whole
  CHECK(tool("convert " + shapes + " " + at("x.pt") + " --dtype int8").code == 2);
  const auto names = tool("convert " + shapes + " " + at("x.pt") + " --names native");
  CHECK((names.code == 4 && says(names.output, "names of one layout")));
}

TEST_CASE("plan --advise chooses operators that grow then takes, and says why") {
  const Scratch scratch;
  const std::string out = (scratch / "out").string();
  const auto advice = tool("plan --advise " + base).output;
  INFO(advice);
  CHECK(says(advice, "advice: from 677,616 to", "InsertBlocks count=", "[a-screen: ", "function   EXACT"));
  const auto command = advice.find("modelgrow grow " + base + " OUT ");
  REQUIRE(command != std::string::npos);
  std::string words = advice.substr(command + 10, advice.find('\n', command) - command - 10);
  words.replace(words.find("OUT"), 3, out);
  CHECK(tool(words).code == 0);
  CHECK(says(tool("plan " + base + " --advise times=1.5,trained=0.5").output, "while the rate is constant"));
  CHECK(detail::parse_json(tool("plan " + base + " --advise times=3 --json").output, "plan")
            .at("advice")
            .at("reasons")
            .size() >= 3);
  CHECK(says(tool("plan --advise --allow-approximate " + base).output, "--allow-approximate --insert-blocks",
             "start=random"));
  const auto both = tool("plan " + base + " --advise --insert-blocks every=1");
  CHECK(both.code == 2);
  CHECK(says(both.output, "give it, or operators"));
  CHECK(says(tool("plan " + base + " --advise tims=2").output, "times"));
  CHECK(says(tool("plan " + base + " --advise times=0.5").output, "above 1"));
}

TEST_CASE("the tool plans, grows, checks and compares") {
  const Scratch scratch;
  const std::string out = (scratch / "out").string(), how = " --insert-blocks at=1+3 --net2wider space=ffn,times=2";
  CHECK(says(tool("inspect " + base).output, "family stdit", "space ffn", "InsertBlocks", "EXACT"));
  const auto dry = tool("grow " + base + " " + out + how + " --dry-run");
  CHECK(dry.code == 0);
  CHECK_FALSE(std::filesystem::exists(out));
  const auto grown = tool("grow " + base + " " + out + how);
  INFO(grown.output);
  REQUIRE(grown.code == 0);
  CHECK(says(grown.output, "read back as promised", "residual 0"));
  CHECK(says(tool("diff " + base + " " + out).output, "depth", "tensors", "+ blocks.{}."));
  CHECK(says(tool("diff " + out + " " + out).output, "no difference"));
  const auto whole = tool("check " + out);
  CHECK(whole.code == 0);
  CHECK(says(whole.output, "EXACT", "residual 0"));
  const auto taken = tool("grow " + base + " " + out + how);
  CHECK(taken.code == 3);
  CHECK(says(taken.output, "exists", "--replace"));
  CHECK(says(tool("grow " + out + " " + out + how).output, "is what is read"));
  CHECK(tool("grow " + base + " " + out + how + " --replace").code == 0);

  const auto weights = scratch / "out/model.safetensors";  // one number is broken
  std::fstream file(weights, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-64, std::ios::end);
  file.write("\x11\x22\x33\x3f", 4);
  file.close();
  const auto broken = tool("check " + out);
  INFO(broken.output);
  CHECK(broken.code == 1);
}

TEST_CASE("check says where a folder runs, and what an old config.json makes of it") {
  const Scratch scratch;
  const auto all = releases("wan");
  const auto tiny = std::find_if(all.begin(), all.end(), [](const Release& r) { return r.tiny(); });
  REQUIRE(tiny != all.end());
  SafetensorsWriter weights(scratch / "diffusion_pytorch_model.safetensors", tiny->tensors);
  for (const auto& t : weights.tensors()) weights.write(t.name, std::vector<std::byte>(*byte_size(t.dtype, t.shape)));
  weights.commit();
  std::ofstream(scratch / "config.json") << tiny->config;
  const auto good = tool("check " + scratch.path().string());
  INFO(good.output);
  CHECK(good.code == 0);
  CHECK(says(good.output, "diffusers", "loads it", "DiffSynth", "MODEL_CONFIGS", "heads is"));
  const auto json = detail::parse_json(tool("check " + scratch.path().string() + " --json").output, "check");
  CHECK(json["consumers"].size() >= 6);

  auto config = detail::parse_json(tiny->config, "config");
  config["ffn_dim"] = config["ffn_dim"].get<int>() / 2;
  std::ofstream(scratch / "config.json") << config.dump();
  const auto stale = tool("check " + scratch.path().string());
  INFO(stale.output);
  CHECK(stale.code == 1);
  CHECK(says(stale.output, "'ffn_dim' is", "sglang", "without a word"));
}

TEST_CASE("a full disk and Ctrl-C leave nothing behind") {
  const Scratch scratch;
  const auto out = scratch / "out";
  const auto full = run("modelgrow grow " + base + " " + out.string() + " --insert-blocks every=1", "ulimit -f 100;");
  INFO(full.output);
  CHECK(full.code == 4);
  CHECK(says(full.output, "cannot write"));
  CHECK(scratch.entries() == 0);

  std::thread user([&] {  // presses Ctrl-C when the unfinished folder appears
    const auto begun = [&] {
      for (const auto& entry : std::filesystem::directory_iterator(scratch.path()))
        if (entry.path().filename().string().starts_with("out.partial")) return true;
      return false;
    };
    for (int i = 0; i < 10000 && !begun(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    pid_t program = 0;
    std::ifstream(scratch / "pid") >> program;
    if (program > 0) ::kill(program, SIGINT);
  });
  const auto stopped = run("modelgrow grow " + base + " " + out.string() + " --net2wider space=hidden,times=16",
                           "echo $$ > " + (scratch / "pid").string() + ";");
  user.join();
  std::filesystem::remove(scratch / "pid");
  INFO(stopped.output);
  CHECK(stopped.code == 130);
  CHECK(scratch.entries() == 0);
}

TEST_CASE("an adapter grows along and is merged, with every exit code") {
  const Scratch scratch;
  const auto in = Checkpoint::open(base);
  const auto write = [&](const std::string& file, const std::string& layer, std::int64_t rank) {
    const Shape w = in.tensor("blocks.0.attn.qkv.weight").shape;
    const std::string name = "transformer." + layer;
    CheckpointWriter out(scratch / file, {{.name = name + ".lora_A.weight", .shape = Shape{rank, w[1]}},
                                          {.name = name + ".lora_B.weight", .shape = Shape{w[0], rank}},
                                          {.name = "transformer.blocks.1.attn.qkv.lora_A.weight", .shape = {2, w[1]}},
                                          {.name = "transformer.blocks.1.attn.qkv.lora_B.weight", .shape = {w[0], 2}}});
    for (const auto& t : out.tensors()) {
      const std::vector<float> values(std::size_t(numel(t.shape)), 0.01f);
      out.write(t.name, std::as_bytes(std::span(values)));
    }
    out.commit();
    return (scratch / file).string();
  };
  const auto style = write("style.safetensors", "blocks.0.attn.qkv", 2);
  const std::string out = (scratch / "out").string(), merged = (scratch / "merged").string();
  const auto grown = tool("grow " + base + " " + out + " --insert-blocks at=1 --adapter " + style);
  INFO(grown.output);
  CHECK(grown.code == 0);
  CHECK(says(grown.output, "grown along", "adapters/style.safetensors"));
  CHECK(Checkpoint::open(out + "/adapters/style.safetensors").find("transformer.blocks.2.attn.qkv.lora_A.weight"));
  const auto done = tool("merge " + out + " " + out + "/adapters/style.safetensors " + merged);
  INFO(done.output);
  CHECK(done.code == 0);
  CHECK(says(done.output, "merged 2 layers", "diffusers", "blocks.2.attn.qkv", "rank 2", "files:", "config.json"));
  CHECK(says(tool("inspect " + merged).output, "stdit"));
  const auto again = "merge " + out + " " + out + "/adapters/style.safetensors " + merged;
  CHECK(tool(again).code == 3);
  CHECK(detail::parse_json(tool(again + " --replace --json").output, "report").at("layers").size() == 2);
  const auto gone =
      tool("merge " + base + " " + write("gone.safetensors", "blocks.9.attn.qkv", 2) + " " + merged + "2");
  CHECK(gone.code == 3);
  CHECK(says(gone.output, "refused", "'blocks.9.attn.qkv'", "nearest names"));
  const auto ranks = write("ranks.safetensors", "blocks.0.attn.qkv", 3);
  const auto open = tool("merge " + base + " " + ranks + " " + merged + "2");
  CHECK(open.code == 2);
  CHECK(says(open.output, "--alpha"));
  CHECK(tool("merge " + base + " " + ranks + " " + merged + "2 --alpha 2").code == 0);
}

TEST_CASE("a pipeline grows into a pipeline, both experts or one") {
  const Scratch scratch;
  const std::string in = (scratch / "in").string(), out = (scratch / "out").string(), one = (scratch / "one").string();
  std::filesystem::create_directory(in);
  for (const char* part : {"/transformer", "/transformer_2"}) {
    std::filesystem::create_directory(in + part);
    for (const char* file : {"/config.json", "/model.safetensors"})
      std::filesystem::copy_file(base + file, in + part + file);
  }
  std::filesystem::create_directory(in + "/vae");
  std::ofstream(in + "/vae/config.json") << "{}";
  std::ofstream(in + "/model_index.json") << "{}";
  CHECK(says(tool("inspect " + in).output, "transformer of a pipeline with transformer, transformer_2, vae"));
  const auto grown = tool("grow " + in + " " + out + " --insert-blocks at=1");
  INFO(grown.output);
  REQUIRE(grown.code == 0);
  CHECK(says(grown.output, "transformer: grown stdit", "transformer_2: grown stdit",
             "carried over: model_index.json vae"));
  const auto whole = tool("check " + out);
  CHECK(whole.code == 0);
  CHECK(says(whole.output, "transformer: family stdit", "transformer_2: family stdit", "residual 0"));
  CHECK(tool("grow " + in + " " + one + " --component transformer_2 --insert-blocks at=1").code == 0);
  CHECK(tool("diff " + in + "/transformer " + one + "/transformer").output == "no difference\n");
  CHECK(says(tool("diff " + in + "/transformer_2 " + one + "/transformer_2").output, "depth"));
  CHECK(tool("check " + one + " --component transformer_2").code == 0);
  CHECK(says(tool("plan " + in + " --component vae --insert-blocks at=1").output, "no .safetensors or torch file"));
}

TEST_CASE("a torch file of weights and averages grows by the keys that are named, and is checked by them") {
  const Scratch scratch;
  const std::string in = (scratch / "in").string(), out = (scratch / "out").string(), how = " --insert-blocks at=1";
  const auto weights = Checkpoint::open(base + "/model.safetensors");
  std::vector<NamedShape> names(weights.names().begin(), weights.names().end());
  PickleDict run;
  run.set("epoch", 3);
  run.set("model", torch_state_dict(names));
  run.set("ema", *run.find("model"));
  std::filesystem::create_directory(in);
  std::filesystem::copy(base + "/config.json", in + "/config.json");
  TorchWriter writer(in + "/run.pt", run);
  for (const auto& t : weights.tensors()) writer.write(t.span());
  writer.commit();

  const auto refused = tool("grow " + in + " " + out + how);
  CHECK(refused.code == 4);
  CHECK(says(refused.output, "run.pt: several of its dictionaries hold tensors, 'model', 'ema'", "--state-dict"));
  const auto grown = tool("grow " + in + " " + out + how + " --state-dict ema");
  INFO(grown.output);
  REQUIRE(grown.code == 0);
  CHECK(says(grown.output, "function   EXACT", "of 'run.pt' only the weights were grown, not 'epoch', 'model'"));
  CHECK(std::filesystem::exists(out + "/run.safetensors"));
  CHECK(says(tool("check " + out).output, "residual 0; all bytes as they were written"));
}

TEST_CASE("a folder with two sets of weights, a download that has not ended, values that are none") {
  const Scratch scratch;
  const std::string in = (scratch / "in").string(), out = (scratch / "out").string(), how = " --insert-blocks at=1";
  REQUIRE(tool("grow " + base + " " + in + how + " --shard-gb 0.0005").code == 0);
  const auto plan = tool("plan " + in + " " + out + how);
  CHECK(says(plan.output, "size ", "will be written;", "are free in " + scratch.path().string()));
  CHECK(says(tool("plan " + in + how + " --json").output, "\"output_bytes\"", "\"free_bytes\""));

  std::filesystem::copy_file(base + "/model.safetensors", in + "/model.safetensors");
  CHECK(tool("plan " + in + how).code == 4);
  CHECK(says(tool("plan " + in + how).output, "'model.safetensors'", "'model.safetensors.index.json'"));
  CHECK(tool("plan " + in + how + " --weights model.safetensors.index.json").code == 0);
  CHECK(says(tool("plan " + in + how + " --weights ../out").output, "it is not in that folder"));
  std::filesystem::remove(in + "/model.safetensors");

  const std::string shard = "model-00004-of-00004.safetensors";
  REQUIRE(std::filesystem::exists(in + "/" + shard));
  std::filesystem::rename(in + "/" + shard, in + "/" + shard + ".incomplete");
  for (const auto& words : {"plan " + in + how, "inspect " + in}) {
    const auto r = tool(words);
    INFO(r.output);
    CHECK(r.code == 0);
    CHECK(says(r.output, "incomplete: of model.safetensors.index.json there is no '" + shard + "' yet"));
  }
  const auto refused = tool("grow " + in + " " + out + how);
  CHECK(refused.code == 4);
  CHECK(says(refused.output, "'" + shard + "' is missing"));
  CHECK_FALSE(std::filesystem::exists(out));

  const std::string sick = (scratch / "sick").string();
  std::filesystem::create_directory(sick);
  for (const char* file : {"/config.json", "/model.safetensors"}) std::filesystem::copy_file(base + file, sick + file);
  std::fstream file(sick + "/model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-8, std::ios::end);
  file.write("\xff\xff\xff\xff\xff\xff\xff\x7f", 8);  // NaN in every float type
  file.close();
  const auto nan = tool("grow " + sick + " " + out + how);
  INFO(nan.output);
  CHECK(nan.code == 3);
  CHECK(says(nan.output, "not finite", "(nan) at index", "--allow-not-finite"));
  CHECK_FALSE(std::filesystem::exists(out));
  const auto allowed = tool("grow " + sick + " " + out + how + " --allow-not-finite");
  CHECK(allowed.code == 0);
  CHECK(says(allowed.output, "not finite: model.safetensors: '"));
}

TEST_CASE("a draft of a family says what it lacks") {
  const Scratch scratch;
  const auto draft = tool("family draft " + base);
  CHECK(draft.code == 0);
  CHECK(says(draft.output, "DRAFT", "\"blocks\":{\"stream\":\"hidden\"}", "\"out 3*hidden, in hidden\""));
  std::ofstream(scratch / "mine.json") << draft.output;
  const auto refused = tool("family check " + (scratch / "mine.json").string());
  CHECK(refused.code == 1);
  CHECK(says(refused.output, "mark it 'closes', or 'inner'"));
}

TEST_CASE("a family of one's own serves every command") {
  const Scratch scratch;
  const auto in = scratch / "in", mine = scratch / "mine.json", out = scratch / "out";
  std::filesystem::create_directory(in);
  std::ofstream(in / "config.json") << R"({"num_layers": 2})";
  std::ofstream(mine) << R"({"family": "mine", "title": "Mine", "class": ["Mine"], "config": {"num_layers": "blocks"},
    "spaces": {"hidden": {"copies": "uniform", "because": "a norm runs over it"}, "ffn": {}},
    "stacks": {"blocks": {"stream": "hidden"}},
    "tensors": {"blocks.{}.in.weight": "out ffn, in hidden", "blocks.{}.out.weight": "out hidden, in ffn; closes"}})";
  const std::vector<float> values(6 * 4, 0.5F);
  std::vector<NamedShape> tensors;
  for (const std::string block : {"blocks.0.", "blocks.1."}) {
    tensors.push_back({.name = block + "in.weight", .dtype = DType::f32, .shape = Shape{6, 4}});
    tensors.push_back({.name = block + "out.weight", .dtype = DType::f32, .shape = Shape{4, 6}});
  }
  CheckpointWriter writer(in / "model.safetensors", tensors);
  for (const auto& t : tensors) writer.write(t.name, std::as_bytes(std::span(values)));
  writer.commit();
  const std::string with = " --family " + mine.string();
  CHECK(tool("inspect " + in.string()).code == 4);
  CHECK(says(tool("inspect " + in.string() + with).output, "family mine, 96 parameters", "stack blocks: 2"));
  const std::string how = " --insert-blocks every=1 --net2wider space=ffn,times=2";
  CHECK(says(tool("plan " + in.string() + how + with).output, "EXACT"));
  const auto grown = tool("grow " + in.string() + " " + out.string() + how + with);
  INFO(grown.output);
  CHECK(grown.code == 0);
  const auto checked = tool("check " + out.string() + with);
  CHECK(checked.code == 0);
  CHECK(says(checked.output, "family mine, 384 parameters", "residual 0"));
}

TEST_CASE("flags and a recipe say the same") {
  const Scratch scratch;
  std::ofstream(scratch / "recipe.json")
      << R"([{"InsertBlocks": {"at": [1, 3]}}, {"Net2Wider": {"space": "ffn", "times": 2}}])";
  const auto flags = tool("plan " + base + " --json --insert-blocks at=1+3 --net2wider space=ffn,times=2");
  const auto recipe = tool("plan " + base + " --json --recipe " + (scratch / "recipe.json").string());
  CHECK(flags.code == 0);
  auto one = detail::parse_json(flags.output, "plan"), other = detail::parse_json(recipe.output, "plan");
  for (auto* j : {&one, &other}) CHECK(j->erase("free_bytes") == 1);  // others write to this disk, too
  CHECK(one == other);
  CHECK(one["certificate"].get<std::string>().starts_with("EXACT"));
}

TEST_CASE("mistakes get their exit code and the nearest word") {
  const auto mistake = [](const std::string& words, int code, const std::string& part) {
    const auto r = tool(words);
    INFO(words << "\n" << r.output);
    CHECK(r.code == code);
    CHECK(says(r.output, part));
  };
  mistake("gorw in out", 2, "'grow'");
  mistake("plan " + base + " --insert-bocks every=1", 2, "'--insert-blocks'");
  mistake("plan " + base + " --insert-blocks evry=1", 2, "'every'");
  mistake("plan " + base + " --net2wider space=ffn,to=2.9", 2, "expected a whole number");
  mistake("plan " + base, 2, "nothing to grow by");
  mistake("plan " + base + " --insert-blocks every=999", 3, "refused");
  mistake("plan /nowhere --insert-blocks every=1", 4, "/nowhere");
  mistake("family show stdt1", 2, "'stdit1'");
  mistake("--help", 0, "modelgrow inspect IN");
  mistake("grow --help", 0, "space=hidden,times=2");
}
