// SPDX-License-Identifier: MIT
// T5 and umT5 encoders: hidden states equal to those of transformers, and what can be wrong with their files.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/models/t5.hpp>

#include <tests/support/gguf_bytes.hpp>
#include <tests/support/llm_golden.hpp>
#include <tests/support/random.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

std::string refusal(const std::filesystem::path& path) {
  return message_of<format_error>([&] { T5Encoder<Cpu>::open(path); });
}

}  // namespace

TEST_CASE("hidden states of T5 and umT5 are those of transformers, at once and prompt by prompt") {
  for (const std::string name : {"t5.safetensors", "umt5.safetensors"}) {
    CAPTURE(name);
    const Expected expected(name);
    const auto model = T5Encoder<Cpu>::open(llm_golden / name);
    CHECK(model.width() == 32);
    CHECK(model.config().num_buckets == 8);
    for (const std::int64_t at_once : {2048, 1}) {
      const auto states = model.encode(expected.prompts, {.indices = {0, 1, 2}}, at_once);
      REQUIRE(states.size() == 3);
      // Scores are not scaled down, and upstream rounds norms and softmax to float32, too.
      for (std::int64_t i = 0; i < 3; ++i) CHECK(relative_error(states[std::size_t(i)], expected.state(i)) < 5e-6);
    }
  }
}

TEST_CASE("the embedding of a T5 has the name of the whole model or of the encoder alone") {
  const Scratch scratch;
  const auto renamed = [&](const std::string& to) {
    const std::string bytes = get(llm_golden / "t5.safetensors"), from = "\"shared.weight\"";
    std::uint64_t n = 0;
    std::memcpy(&n, bytes.data(), 8);
    std::string header = bytes.substr(8, n);
    header.replace(header.find(from), from.size(), to);
    return put(scratch / "model.safetensors", u64(header.size()) + header + bytes.substr(8 + n));
  };
  const Expected expected("t5.safetensors");
  const auto states = T5Encoder<Cpu>::open(renamed("\"encoder.embed_tokens.weight\"")).encode(expected.prompts);
  CHECK(relative_error(states.at(0), expected.state(2)) < 5e-6);
  CHECK(says(refusal(renamed("\"decoder.embed_tokens.weight\"")), "no tensor 'shared.weight'"));
}

TEST_CASE("buckets of relative positions are those of transformers") {
  std::vector<double> buckets;
  Expected::read(MappedWeights::open(llm_golden / "t5.safetensors"), "golden.buckets", buckets);
  REQUIRE(buckets.size() == 601);
  for (int d = -300; d <= 300; ++d) CHECK(double(t5_bucket(d, 32, 128)) == buckets[std::size_t(d + 300)]);
}

TEST_CASE("prompts that do not fit a T5 are refused") {
  const auto model = T5Encoder<Cpu>::open(llm_golden / "t5.safetensors");
  PackedPrompts prompts;
  prompts.add(std::vector<std::int32_t>{3, 24});
  CHECK(says(message_of<shape_error>([&] { model.encode(prompts); }), "[T5Encoder]", "the id 24", "0 to 23"));
  prompts = {};
  prompts.add({});
  CHECK(says(message_of<shape_error>([&] { model.encode(prompts); }), "prompt 0 has 0 tokens"));
}

TEST_CASE("what can be wrong with a T5") {
  const Scratch scratch;
  const auto altered = [&](const std::string& from, const std::string& to) {
    return refusal(altered_golden("t5.safetensors", from, to, scratch));
  };
  CHECK(altered("wi_0", "wi_0") == "");
  CHECK(says(altered("block.1.layer.1.DenseReluDense.wi_0", "block.1.layer.1.DenseReluDense.wi_2"), "no tensor",
             "block.1.layer.1.DenseReluDense.wi_0.weight"));
  CHECK(says(altered("relative_attention_bias", "relative_attention_bits"), "relative_attention_bias"));
  CHECK(says(altered("[48,32]", "[32,48]"), "is [32, 48]", "expected [48, 32]"));
  CHECK(says(altered("\"config\"", "\"conflg\""), "no config.json"));
  CHECK(says(altered(R"(\"gated-gelu\")", R"(\"gated-silu\")"), "'gated-silu'", "gated-gelu", "1.1"));
  CHECK(says(altered(R"("model_type\": \"t5\")", R"("model_type\": \"b5\")"), "'b5'", "umt5"));
  CHECK(says(altered(R"("num_heads\": 4)", R"("num_heads\": 0)"), "'num_heads' is 0"));
  CHECK(
      says(altered(R"("relative_attention_num_buckets\": 8)", R"("relative_attention_num_buckets\": 9)"), "9 buckets"));
  CHECK(says(altered(R"("layer_norm_epsilon\": 1e-06)", R"("layer_norm_epsilon\": -1.00)"), "layer_norm_epsilon"));
  CHECK(says(refusal(llm_golden / "llama.gguf"), "safetensors, not from GGUF"));
}
