// SPDX-License-Identifier: MIT
// BERT encoders: hidden states equal to those of transformers, and what can be wrong with their files.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/models/bert.hpp>

#include <tests/support/llm_golden.hpp>
#include <tests/support/random.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

std::string refusal(const std::filesystem::path& path) {
  return message_of<format_error>([&] { Bert<Cpu>::open(path); });
}

}  // namespace

TEST_CASE("hidden states of BERT are those of transformers, at once and prompt by prompt") {
  const Expected expected("bert.safetensors");
  const auto model = Bert<Cpu>::open(llm_golden / "bert.safetensors");
  CHECK(model.width() == 32);
  CHECK(model.max_length() == 16);
  for (const std::int64_t at_once : {2048, 1}) {
    const auto states = model.encode(expected.prompts, {.indices = {0, 1, 2}}, at_once);
    REQUIRE(states.size() == 3);
    for (std::int64_t i = 0; i < 3; ++i) CHECK(relative_error(states[std::size_t(i)], expected.state(i)) < 2e-6);
  }
}

TEST_CASE("prompts that do not fit a BERT are refused") {
  const auto model = Bert<Cpu>::open(llm_golden / "bert.safetensors");
  PackedPrompts prompts;
  prompts.add(std::vector<std::int32_t>(17, 1));
  CHECK(says(message_of<shape_error>([&] { model.encode(prompts); }), "[Bert]", "17 tokens", "1 to 16"));
}

TEST_CASE("a BERT whose norms have the names of TensorFlow is the same") {
  const Scratch scratch, second;
  altered_golden("bert.safetensors", "LayerNorm.weight\":", "LayerNorm.gamma\" :", scratch);
  std::string bytes = get(scratch / "model.safetensors");
  const std::string bias = "LayerNorm.bias\"", beta = "LayerNorm.beta\"";
  for (auto at = bytes.find(bias); at != bytes.npos; at = bytes.find(bias)) bytes.replace(at, bias.size(), beta);
  const Expected expected("bert.safetensors");
  const auto states = Bert<Cpu>::open(put(second / "model.safetensors", bytes)).encode(expected.prompts);
  CHECK(relative_error(states.at(0), expected.state(2)) < 2e-6);
  CHECK(says(refusal(scratch.path()), "LayerNorm.beta"));  // gamma without beta
}

TEST_CASE("what can be wrong with a BERT") {
  const Scratch scratch;
  const auto altered = [&](const std::string& from, const std::string& to) {
    return refusal(altered_golden("bert.safetensors", from, to, scratch));
  };
  CHECK(altered("dense", "dense") == "");
  CHECK(says(altered("layer.1.attention.self.key", "layer.1.attention.self.kay"), "no tensor",
             "encoder.layer.1.attention.self.key.weight"));
  CHECK(says(altered("LayerNorm.weight", "LayerNorm.gammas"), "embeddings.LayerNorm.weight"));
  CHECK(says(altered("[48,32]", "[32,48]"), "is [32, 48]", "expected [48, 32]"));
  CHECK(says(altered("\"config\"", "\"conflg\""), "no config.json"));
  CHECK(says(altered(R"("hidden_act\": \"gelu\")", R"("hidden_act\": \"relu\")"), "'relu'", "gelu"));
  CHECK(says(altered(R"("model_type\": \"bert\")", R"("model_type\": \"fred\")"), "'fred'", "bert"));
  CHECK(says(altered(R"("num_attention_heads\": 4)", R"("num_attention_heads\": 5)"), "32", "5 heads"));
  CHECK(says(altered(R"("num_hidden_layers\": 2)", R"("num_hidden_layers\": 0)"), "'num_hidden_layers' is 0"));
  CHECK(says(refusal(llm_golden / "llama.gguf"), "safetensors, not from GGUF"));

  BertConfig c;
  CHECK(says(message_of<format_error>(
                 [&] { read_config(c, R"({"model_type": "bert", "position_embedding_type": "relative_key"})", "x"); }),
             "relative_key", "absolute"));
}
