// SPDX-License-Identifier: MIT
// Language models of the Llama family: hidden states equal to those of transformers, from every kind of file, packed or
// one by one, and everything that can be wrong with a file or a prompt.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/models/llama.hpp>
#include <modelgrow/ops/add_to.hpp>

#include <tests/support/llama_files.hpp>
#include <tests/support/llm_golden.hpp>
#include <tests/support/random.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

std::string refusal(const std::filesystem::path& path) {
  return message_of<format_error>([&] { Llama<Cpu>::open(path); });
}

}  // namespace

TEST_CASE("hidden states are those of transformers") {
  for (const std::string name : {"llama.gguf", "llama.safetensors", "qwen2.safetensors", "qwen3.safetensors"}) {
    CAPTURE(name);
    const Expected expected(name);
    const auto model = Llama<Cpu>::open(llm_golden / name);
    CHECK(model.config().depth == 2);
    CHECK(model.width() == 32);
    CHECK(model.max_length() == 64);
    const auto states = model.encode(expected.prompts, {.indices = {0, 1, 2}});
    REQUIRE(states.size() == 3);
    for (std::int64_t i = 0; i < 3; ++i) CHECK(relative_error(states[std::size_t(i)], expected.state(i)) < 2e-6);
  }
}

TEST_CASE("layers are chosen by transformers' numbers, also from the end, in any order, or averaged") {
  const auto model = Llama<Cpu>::open(llm_golden / "qwen2.safetensors");
  const Expected expected("qwen2.safetensors");
  const auto states = model.encode(expected.prompts, {.indices = {-1, 0, -2, 2}});
  REQUIRE(states.size() == 4);
  const int which[] = {2, 0, 1, 2};
  for (std::size_t i = 0; i < 4; ++i) CHECK(relative_error(states[i], expected.state(which[i])) < 2e-6);
  CHECK(relative_error(model.encode(expected.prompts).at(0), expected.state(2)) < 2e-6);
  CHECK(model.encode(expected.prompts, {.indices = {}}).size() == 3);

  auto mean = Tensor<double, Cpu>::zeros({expected.prompts.tokens(), 32});
  for (int i = 0; i < 3; ++i)
    for (std::int64_t t = 0; t < expected.prompts.tokens(); ++t) {
      const double* x = expected.hidden.data() + (i * expected.prompts.tokens() + t) * 32;
      double mu = 0, variance = 0;
      for (int c = 0; c < 32; ++c) mu += x[c] / 32;
      for (int c = 0; c < 32; ++c) variance += (x[c] - mu) * (x[c] - mu) / 32;
      for (int c = 0; c < 32; ++c) mean.data()[t * 32 + c] += (x[c] - mu) / std::sqrt(variance + 1e-5) / 3;
    }
  const auto ours = model.encode(expected.prompts, HiddenLayers::mean_of_all());
  REQUIRE(ours.size() == 1);
  CHECK(relative_error(ours[0], mean) < 1e-5);

  for (const int i : {3, -4})
    CHECK(says(message_of<shape_error>([&] { model.encode(expected.prompts, {.indices = {i}}); }), "no hidden state",
               std::to_string(i), "2 layers"));
}

TEST_CASE("packing, parts and padding do not change the states") {
  const auto model = Llama<Cpu>::open(llm_golden / "llama.gguf");
  const Expected expected("llama.gguf");
  const auto all = model.encode(expected.prompts).at(0);
  for (const std::int64_t at_once : {1, 10, 14})
    CHECK(relative_error(model.encode(expected.prompts, {}, at_once).at(0), all) < 1e-6);
  for (std::int64_t i = 0; i < expected.prompts.count(); ++i) {
    PackedPrompts one;
    const auto begin = expected.prompts.begins[std::size_t(i)];
    one.add(std::span(expected.prompts.ids).subspan(std::size_t(begin), std::size_t(expected.prompts.length(i))));
    CHECK(relative_error(model.encode(one).at(0), all.view(begin * 32, {one.tokens(), 32})) < 1e-6);
  }
  CHECK(model.encode(PackedPrompts()).at(0).size() == 0);
}

TEST_CASE("what prompts have in common is computed once and changes no state") {
  const auto model = Llama<Cpu>::open(llm_golden / "qwen3.safetensors");
  const std::vector<std::vector<std::int32_t>> texts{
      {5, 6, 7, 8, 9}, {5, 6, 7}, {5, 6, 7, 1, 2, 3, 4, 9, 9, 2}, {5, 6, 7, 8}, {5, 6, 7}};
  const PackedPrompts prompts(texts);
  CHECK(common_prefix(prompts) == 3);
  CHECK(common_prefix(PackedPrompts(std::span(texts).first(1))) == 0);
  std::int64_t tokens = 0;
  for_parts<Cpu>(prompts, CommonPrefix::share, 2048, [&](const PromptPart<Cpu>& part) { tokens += part.tokens(); });
  CHECK(tokens == 3 + 2 + 0 + 7 + 1 + 0);
  for (const auto& layers : {HiddenLayers{.indices = {1, 2}}, HiddenLayers::mean_of_all()})
    for (const std::int64_t at_once : {2048, 6}) {
      const auto together = model.encode(prompts, layers, at_once);
      for (std::int64_t i = 0; i < prompts.count(); ++i) {
        PackedPrompts one;
        one.add(texts[std::size_t(i)]);
        const auto alone = model.encode(one, layers);
        for (std::size_t k = 0; k < alone.size(); ++k)
          CHECK(relative_error(together[k].view(prompts.begins[std::size_t(i)] * 32, {prompts.length(i), 32}),
                               alone[k]) < 1e-6);
      }
    }
}

TEST_CASE("padded batches are packed by their mask, and states are padded again") {
  const std::vector<std::int32_t> ids{7, 8, 0, 0, 1, 2}, mask{1, 1, 0, 0, 1, 1};
  const PackedPrompts prompts(ids, mask, 3);
  CHECK(prompts.ids == std::vector<std::int32_t>{7, 8, 1, 2});
  CHECK(prompts.begins == std::vector<std::int64_t>{0, 2, 4});
  const PackedPrompts ragged(std::vector<std::vector<std::int32_t>>{{1, 2, 3}, {4}});
  CHECK(ragged.lengths() == std::vector<std::int32_t>{3, 1});
  const auto padded = ragged.padded(Tensor<float, Cpu>::from({4, 2}, std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8}));
  CHECK(padded.shape() == Shape{2, 3, 2});
  CHECK(std::vector<float>(padded.data(), padded.data() + 12) ==
        std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0});
  CHECK(says(message_of<shape_error>([&] { PackedPrompts(ids, mask, 4); }), "6 ids", "whole rows"));
  CHECK(says(message_of<shape_error>([&] { ragged.padded(Tensor<float, Cpu>({3, 2})); }), "[3, 2]", "[4, width]"));
}

TEST_CASE("prompts that do not fit the model are refused") {
  const auto model = Llama<Cpu>::open(llm_golden / "llama.gguf");
  const auto refused = [&](const std::vector<std::int32_t>& prompt) {
    PackedPrompts prompts;
    prompts.add(std::vector<std::int32_t>{1});
    prompts.add(prompt);
    return message_of<shape_error>([&] { model.encode(prompts); });
  };
  CHECK(says(refused(std::vector<std::int32_t>(65, 1)), "prompt 1", "65 tokens", "1 to 64"));
  CHECK(says(refused({}), "prompt 1", "0 tokens"));
  CHECK(says(refused({3, 24}), "token 2", "the id 24", "0 to 23", "tokenizer"));
  CHECK(says(refused({-1}), "the id -1"));
}

TEST_CASE("what can be wrong with a GGUF model") {
  const Scratch scratch;
  const auto path = scratch / "m.gguf";
  const auto refused = [&](const LlamaGguf& file) { return refusal(put(path, file.bytes())); };
  CHECK(refused({}) == "");
  CHECK(Llama<Cpu>::open(path).config().head_dim == 2);

  CHECK(says(refused({.architecture = "mamba"}), path.string(), "'mamba'", "llama, qwen2, qwen3"));
  CHECK(says(refused({.without_key = "llama.block_count"}), "llama.block_count"));
  CHECK(says(refused({.without_key = "llama.attention.layer_norm_rms_epsilon"}), "layer_norm_rms_epsilon"));
  CHECK(says(refused({.key_heads = 3}), "4 heads and 3 key heads"));
  CHECK(says(refused({.key_heads = 0}), "num_kv_heads", "0"));
  for (const std::uint64_t size : {std::uint64_t(-8), std::uint64_t(1) << 40, std::uint64_t(70000)})
    CHECK(says(refused({.more = {gguf_value("llama.attention.key_length", 11, u64(size)),
                                 gguf_value("llama.rope.scaling.type", 8, gguf_string("linear"))}}),
               "head"));
  CHECK(says(refused({.more = {gguf_value("llama.expert_count", 4, u32(8))}}), "experts"));
  CHECK(says(refused({.more = {gguf_value("llama.rope.dimension_count", 4, u32(4))}}), "rotary"));
  CHECK(says(refused({.more = {gguf_value("llama.rope.scaling.type", 8, gguf_string("yarn"))}}), "'yarn'", "linear"));
  CHECK(says(refused({.without_tensor = "blk.0.ffn_up.weight"}), "no tensor 'blk.0.ffn_up.weight'", "nearest"));
  CHECK(says(refused({.without_tensor = "token_embd.weight"}), "no tensor 'token_embd.weight'"));
  CHECK(says(refused({.ffn = 7}), "'blk.0.ffn_gate.weight' is [6, 8]", "expected [7, 8]", "metadata"));
  CHECK(says(refused({.extra_rope_factors = 5}), "5 rotary factors"));

  CHECK(says(refused({.more = {gguf_value("llama.attention.causal", 7, std::string(1, '\0'))}}), "look ahead",
             "'llama.attention.causal' is false"));
  CHECK(says(refused({.more = {gguf_value("general.type", 8, gguf_string("adapter"))}}), "of kind 'adapter'",
             "the model itself"));
  CHECK(says(
      refused({.more = {gguf_value("llama.rope.scaling.attn_factor", 6, u32(std::bit_cast<std::uint32_t>(2.0f)))}}),
      "'llama.rope.scaling.attn_factor'"));

  put(path, LlamaGguf{.more = {gguf_value("llama.attention.sliding_window", 4, u32(5))}}.bytes());
  CHECK(Llama<Cpu>::open(path).max_length() == 5);
  put(path, LlamaGguf{.more = {gguf_value("llama.rope.scaling.type", 8, gguf_string("linear")),
                               gguf_value("llama.rope.scaling.factor", 6, u32(std::bit_cast<std::uint32_t>(4.0f)))}}
                .bytes());
  CHECK(Llama<Cpu>::open(path).config().rope_factors == std::vector<float>{4});
}

TEST_CASE("rotary factors of GGUF: old names, and a type that is left out") {
  const Scratch scratch;
  const auto path = scratch / "m.gguf";
  const auto real = [](const std::string& key, float x) {
    return gguf_value("llama.rope." + key, 6, u32(std::bit_cast<std::uint32_t>(x)));
  };
  const auto type = [](const std::string& name) { return gguf_value("llama.rope.scaling.type", 8, gguf_string(name)); };
  const auto factors = [&](const std::vector<std::string>& more) {
    put(path, LlamaGguf{.more = more}.bytes());
    return Llama<Cpu>::open(path).config().rope_factors;
  };
  using Factors = std::vector<float>;
  CHECK(factors({}) == Factors{});
  CHECK(factors({real("scale_linear", 4)}) == Factors{4});
  CHECK(factors({real("scale_linear", 4), type("linear")}) == Factors{4});
  CHECK(factors({real("scaling.factor", 3)}) == Factors{3});
  CHECK(factors({real("scaling.factor", 3), real("scale_linear", 4)}) == Factors{3});
  CHECK(factors({real("scaling.factor", 3), type("none")}) == Factors{});
  CHECK(factors({real("scaling.factor", 0)}) == Factors{});
  CHECK(factors({real("scaling.factor", 1)}) == Factors{});
  const auto refused = [&](const std::vector<std::string>& more) {
    return refusal(put(path, LlamaGguf{.more = more}.bytes()));
  };
  CHECK(says(refused({type("linear")}), "no metadata 'llama.rope.scaling.factor'"));
  for (const float x : {-2.0f, INFINITY, NAN})
    CHECK(says(refused({real("scale_linear", x)}), "'llama.rope.scale_linear' is", "expected a positive number"));
}

TEST_CASE("config.json of a Llama") {
  const std::string sizes = R"("hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 4,
      "intermediate_size": 6, "vocab_size": 5, "max_position_embeddings": 9)";
  const auto read = [&](const std::string& more, const std::string& type = "llama") {
    LlamaConfig c;
    read_config(c, "{\"model_type\": \"" + type + "\", " + sizes + more + "}", "x/config.json");
    return c;
  };
  const auto refused = [&](const std::string& more, const std::string& type = "llama") {
    return message_of<format_error>([&] { read(more, type); });
  };
  const LlamaConfig plain{.width = 8,
                          .depth = 1,
                          .num_heads = 4,
                          .num_kv_heads = 4,
                          .head_dim = 2,
                          .ffn = 6,
                          .vocabulary = 5,
                          .max_length = 9,
                          .norm_eps = 1e-6,
                          .rope_theta = 10000,
                          .rope_factors = {},
                          .rope_pairs = RotaryPairs::halves};
  CHECK(read("") == plain);
  CHECK(read(R"(, "rope_scaling": null, "head_dim": null, "sliding_window": 3)") == plain);
  CHECK(read(R"(, "sliding_window": 3)", "mistral").max_length == 3);
  CHECK(read(R"(, "sliding_window": 3)", "qwen2").max_length == 9);
  CHECK(read(R"(, "sliding_window": 3, "use_sliding_window": true)", "qwen2").max_length == 3);
  CHECK(read("", "qwen3").head_dim == 128);
  CHECK(read(R"(, "rope_theta": 7, "rope_scaling": {"type": "linear", "factor": 2})").rope_factors ==
        std::vector<float>{2});
  CHECK(read(R"(, "rope_parameters": {"rope_type": "default", "rope_theta": 7})").rope_theta == 7);

  CHECK(says(refused("", "gpt2"), "x/config.json", "model_type", "'gpt2'", "qwen3"));
  CHECK(says(refused(R"(, "hidden_act": "gelu")"), "'gelu'", "silu"));
  CHECK(says(refused(R"(, "rope_scaling": {"rope_type": "yarn"})"), "'yarn'", "llama3"));
  CHECK(says(refused(R"(, "rope_scaling": {"rope_type": "llama3", "factor": 8})"), "llama3", "low_freq_factor"));
  CHECK(says(refused(R"(, "rope_scaling": {"rope_type": "linear"})"), "linear", "factor"));
  CHECK(read(R"(, "rope_scaling": {"rope_type": "default", "factor": 1.0, "partial_rotary_factor": null})") == plain);
  CHECK(says(refused(R"(, "rope_scaling": {"factor": 8.0})"), "'rope_scaling' has 'factor' 8.0", "rope_type"));
  CHECK(says(refused(R"(, "rope_parameters": {"partial_rotary_factor": 0.5})"), "'partial_rotary_factor' 0.5"));
  CHECK(says(refused(R"(, "head_dim": 3)"), "3 values", "pairs"));
  CHECK(says(refused(R"(, "head_dim": -4, "rope_scaling": {"type": "linear", "factor": 2})"), "head_dim", "-4"));
  CHECK(says(refused(R"(, "rms_norm_eps": 0)"), "positive"));
  CHECK(says(message_of<format_error>([] {
               LlamaConfig c;
               read_config(c, R"({"model_type": "llama"})", "x");
             }),
             "width", "0"));
}

TEST_CASE("what can be wrong with a directory") {
  const Scratch scratch;
  const auto copy = [&](const std::string& from, const std::string& to) {
    return altered_golden("qwen2.safetensors", from, to, scratch);
  };
  CHECK(refusal(copy("x", "x")) == "");
  CHECK(says(refusal(copy("layers.1.mlp.up_proj", "layers.1.mlp.UP_proj")), "no tensor 'layers.1.mlp.up_proj.weight'"));
  CHECK(says(refusal(copy("[64,32]", "[32,64]")), "is [32, 64]", "expected [64, 32]", "config.json"));
  CHECK(says(refusal(copy(R"("dtype":"BF16","shape":[64,32])", R"("dtype":"I16", "shape":[64,32])")), "I16", "BF16"));
  CHECK(says(refusal(copy("\"config\"", "\"conflg\"")), "no config.json"));
  CHECK_THROWS_AS(Llama<Cpu>::open(scratch / "missing.gguf"), io_error);

  // A whole directory: config.json beside the weights counts more than the metadata.
  put(scratch / "config.json", R"({"model_type": "qwen2", "hidden_size": 31})");
  CHECK(says(refusal(scratch.path()), (scratch / "config.json").string(), "depth"));
}

TEST_CASE("language model operations check their shapes") {
  const auto t = [](Shape shape) { return Tensor<float, Cpu>::zeros(std::move(shape)); };
  const std::vector<float> numbers(12);
  const QuantisedMatrix w{
      .type = GgmlType::f32, .rows = 4, .columns = 3, .data = reinterpret_cast<const std::byte*>(numbers.data())};
  const auto ids = Tensor<std::int32_t, Cpu>::zeros({2});
  const auto table = rotary_table<Cpu>(2, 4, 10, {});
  const auto refuses = [](const char* op, auto f) { return says(message_of<shape_error>(f), op); };
  CHECK(refuses("quantised_linear", [&] { quantised_linear(t({2, 4}), w, {}, t({2, 4})); }));
  CHECK(refuses("quantised_linear", [&] { quantised_linear(t({2, 3}), w, {}, t({3, 4})); }));
  CHECK(refuses("the bias", [&] { quantised_linear(t({2, 3}), w, t({3}), t({2, 4})); }));
  CHECK(refuses("quantised_embedding", [&] { quantised_embedding(ids, w, t({2, 4})); }));
  CHECK(refuses("rms_norm", [&] { rms_norm(t({2, 3}), t({4}), 1e-5, t({2, 3})); }));
  CHECK(refuses("gated", [&] { gated(Activation::silu, t({2, 3}), t({3, 2})); }));
  CHECK(refuses("rotary_table", [&] { rotary_table<Cpu>(2, 3, 10, {}); }));
  CHECK(refuses("rotary_table", [&] { rotary_table<Cpu>(2, 4, 10, std::vector<float>{1}); }));
  CHECK(refuses("rotate", [&] { rotate(t({2, 1, 6}), RotaryPairs::halves, ids, table); }));
  CHECK(refuses("rotate", [&] { rotate(t({3, 1, 4}), RotaryPairs::halves, ids, table); }));
  CHECK(refuses("normalise", [&] { normalise(t({2, 3}), {}, {}, 1e-5, t({3, 2})); }));
  CHECK(refuses("the gain", [&] { normalise(t({2, 3}), t({2}), t({3}), 1e-5, t({2, 3})); }));
  CHECK(refuses("the bias", [&] { normalise(t({2, 3}), t({3}), t({2}), 1e-5, t({2, 3})); }));
  CHECK(refuses("gain and bias", [&] { normalise(t({2, 3}), t({3}), {}, 1e-5, t({2, 3})); }));
  CHECK(refuses("add_to", [&] { add_to(t({2, 3}), t({3, 2})); }));
  CHECK(refuses("the bias", [&] {
    const std::vector<std::int64_t> two{0, 2};
    packed_attention(t({2, 2, 4}), t({2, 2, 4}), t({2, 2, 4}), two, {.bias = t({2, 1})}, t({2, 2, 4}));
  }));
  CHECK(refuses("the prefix", [&] {
    const std::vector<std::int64_t> two{0, 1, 2};
    packed_attention(t({2, 2, 4}), t({2, 2, 4}), t({2, 2, 4}), two, {.prefix = 2}, t({2, 2, 4}));
  }));
  const std::vector<std::int64_t> begins{0, 2}, short_of{0, 1}, backwards{0, 3, 2};
  CHECK(refuses("packed_attention", [&] {
    packed_attention(t({2, 3, 4}), t({2, 2, 4}), t({2, 2, 4}), begins, {}, t({2, 3, 4}));
  }));
  CHECK(refuses("packed_attention", [&] {
    packed_attention(t({2, 2, 4}), t({2, 2, 4}), t({2, 2, 4}), short_of, {}, t({2, 2, 4}));
  }));
  CHECK(refuses("packed_attention", [&] {
    packed_attention(t({2, 2, 4}), t({2, 2, 4}), t({2, 2, 4}), backwards, {}, t({2, 2, 4}));
  }));
}
