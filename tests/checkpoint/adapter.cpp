// SPDX-License-Identifier: MIT
// Adapters of every form are read to the same layers, ranks and scales; what is no plain LoRA, not complete or of
// another model is refused with the tensor or the key by its name.
#include <cmath>

#include <modelgrow/checkpoint/adapter.hpp>
#include <modelgrow/checkpoint/adapter_names.hpp>
#include <modelgrow/checkpoint/writer.hpp>
#include <modelgrow/core/words.hpp>
#include <tests/support/raw_files.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;
namespace fs = std::filesystem;

namespace {

struct Factor {
  std::string name;
  Shape shape;
  float value = 1;
  DType dtype = DType::f32;
};

fs::path write(const fs::path& path, const std::vector<Factor>& tensors, const Metadata& metadata = {}) {
  fs::create_directories(path.parent_path());
  std::vector<NamedShape> declared;
  for (const auto& t : tensors) declared.push_back({.name = t.name, .dtype = t.dtype, .shape = t.shape});
  SafetensorsWriter out(path, declared, metadata);
  for (const auto& t : tensors) {
    const std::vector<float> values(std::size_t(numel(t.shape)), t.value);
    out.write(t.name, std::as_bytes(std::span(values)).first(byte_size(t.dtype, t.shape).value()));
  }
  out.commit();
  return path;
}

/// A pair of factors [rank, 3] and [4, rank].
std::vector<Factor> pair(const std::string& layer, const std::string& a, const std::string& b, std::int64_t rank = 2) {
  return {{.name = layer + a, .shape = Shape{rank, 3}}, {.name = layer + b, .shape = Shape{4, rank}}};
}
std::vector<Factor> operator+(std::vector<Factor> x, const std::vector<Factor>& y) {
  x.insert(x.end(), y.begin(), y.end());
  return x;
}

/// A model with layers [4, 3].
Names model(const std::vector<std::string>& layers) {
  std::vector<NamedShape> all;
  for (const auto& l : layers) all.push_back({.name = l + ".weight", .shape = Shape{4, 3}});
  return Names(std::move(all), "model");
}
double scale_of(const Adapter& a, std::size_t layer = 0) {
  return a.layers()[layer].scale(a.layers()[layer].alpha.value());
}
std::string refusal(const fs::path& path) {
  return message_of<format_error>([&] { Adapter::open(path); });
}

}  // namespace

TEST_CASE("every form of adapter gives layers, ranks and scales", "[adapter]") {
  const Scratch scratch;
  const auto known = model({"blocks.0.attn.qkv", "blocks.1.to_out.0"});
  const auto check = [&](const fs::path& path, AdapterForm form, AlphaPlace place, double scale) {
    const auto a = Adapter::open(path);
    INFO(detail::word_of(form));
    CHECK(a.form() == form);
    CHECK(a.alpha_place() == place);
    CHECK(a.layers_in(known) == std::vector<std::string>{"blocks.0.attn.qkv", "blocks.1.to_out.0"});
    CHECK(a.layers()[0].rank() == 2);
    CHECK(scale_of(a) == scale);
  };
  const auto in = [&](const std::string& prefix, const std::string& a, const std::string& b) {
    return pair(prefix + "blocks.0.attn.qkv", a, b) + pair(prefix + "blocks.1.to_out.0", a, b);
  };
  using enum AdapterForm;
  write(scratch / "peft/adapter_model.safetensors", in("base_model.model.", ".lora_A.weight", ".lora_B.weight"));
  put(scratch / "peft/adapter_config.json", R"({"peft_type": "LORA", "r": 2, "lora_alpha": 16, "use_rslora": true})");
  check(scratch / "peft", peft, AlphaPlace::config, 16 / std::sqrt(2.0));
  check(scratch / "peft/adapter_model.safetensors", peft, AlphaPlace::config, 16 / std::sqrt(2.0));
  put(scratch / "peft/adapter_config.json", "{}");
  check(scratch / "peft", peft, AlphaPlace::config, 4);

  write(scratch / "memory/x.safetensors", in("base_model.model.", ".lora_A.default.weight", ".lora_B.default.weight"));
  put(scratch / "memory/adapter_config.json", R"({"lora_alpha": 6})");
  check(scratch / "memory", peft_in_memory, AlphaPlace::config, 3);
  fs::remove(scratch / "memory/adapter_config.json");
  CHECK_FALSE(Adapter::open(scratch / "memory").layers()[0].alpha);

  const auto of_diffusers = in("transformer.", ".lora_A.weight", ".lora_B.weight");
  check(write(scratch / "d/pytorch_lora_weights.safetensors", of_diffusers), diffusers, AlphaPlace::nowhere, 1);
  write(scratch / "d/pytorch_lora_weights.safetensors", of_diffusers,
        {{"lora_adapter_metadata",
          R"({"transformer.r": 2, "transformer.lora_alpha": 4, "text_encoder.use_dora": true})"}});
  check(scratch / "d", diffusers, AlphaPlace::header, 2);
  check(write(scratch / "bare.safetensors", in("", ".lora_A.weight", ".lora_B.weight"),
              {{"lora_adapter_metadata", R"({"lora_alpha": 4})"}}),
        diffusers, AlphaPlace::header, 2);
  check(write(scratch / "native.safetensors", in("diffusion_model.", ".lora_A.weight", ".lora_B.weight")),
        diffusion_model, AlphaPlace::nowhere, 1);
  check(write(scratch / "comfy.safetensors",
              in("diffusion_model.", ".lora_down.weight", ".lora_up.weight") +
                  std::vector<Factor>{{.name = "diffusion_model.blocks.0.attn.qkv.alpha", .shape = {}, .value = 5}}),
        diffusion_model, AlphaPlace::tensors, 2.5);
  check(write(scratch / "musubi.safetensors",
              pair("lora_unet_blocks_0_attn_qkv", ".lora_down.weight", ".lora_up.weight") +
                  pair("lora_unet_blocks_1_to_out_0", ".lora_down.weight", ".lora_up.weight") +
                  std::vector<Factor>{{.name = "lora_unet_blocks_0_attn_qkv.alpha", .shape = Shape{1}, .value = 1}}),
        flattened, AlphaPlace::tensors, 0.5);
}

TEST_CASE("an alpha that programs disagree about is left open", "[adapter]") {
  const Scratch scratch;
  const auto ranks = [](const std::string& prefix) {
    return pair(prefix + "a", ".lora_A.weight", ".lora_B.weight", 2) +
           pair(prefix + "b", ".lora_A.weight", ".lora_B.weight", 3);
  };
  for (const std::string prefix : {"transformer.", "diffusion_model."}) {
    const auto a = Adapter::open(write(scratch / "x.safetensors", ranks(prefix)));
    CHECK_FALSE(a.layers()[0].alpha);
  }
  const auto flat = pair("lora_unet_a", ".lora_down.weight", ".lora_up.weight", 2) +
                    pair("lora_unet_b", ".lora_down.weight", ".lora_up.weight", 3);
  CHECK(scale_of(Adapter::open(write(scratch / "x.safetensors", flat)), 1) == 1);
}

TEST_CASE("what is no plain LoRA is refused by the name of the tensor", "[adapter]") {
  const Scratch scratch;
  const auto good = pair("transformer.a", ".lora_A.weight", ".lora_B.weight");
  const auto with = [&](const std::string& name, Shape shape = Shape{4}) {
    return refusal(write(scratch / "x.safetensors", good + std::vector<Factor>{{.name = name, .shape = shape}}));
  };
  for (const auto& [name, what] :
       std::vector<std::pair<std::string, std::string>>{{"transformer.a.lora_magnitude_vector", "DoRA"},
                                                        {"transformer.a.dora_scale", "DoRA"},
                                                        {"transformer.a.lora_B.bias", "bias"},
                                                        {"transformer.b.lora_embedding_A", "embedding"},
                                                        {"transformer.b.hada_w1_a", "LoHa"},
                                                        {"transformer.b.lokr_w1", "LoKr"},
                                                        {"transformer.a.lora_mid.weight", "core"},
                                                        {"transformer.a.diff", "difference"},
                                                        {"transformer.a.diff_b", "difference of a bias"},
                                                        {"transformer.b.modules_to_save.weight", "whole layer"},
                                                        {"transformer.b.base_layer.weight", "adapted model"},
                                                        {"text_encoder.a.lora_A.weight", "text encoder"},
                                                        {"lora_te1_a.lora_down.weight", "text encoder"}}) {
    INFO(name);
    CHECK(says(with(name), "x.safetensors", "'" + name + "'", what, "plain LoRA", "merge the adapter"));
  }
  CHECK(says(with("transformer.b.weight"), "'transformer.b.weight'", "no factor", "LAYER.lora_A.weight"));
  CHECK(says(with("diffusion_model.b.lora_A.weight"), "'diffusion_model.b.lora_A.weight'", "another form"));
  CHECK(says(with("transformer.b.lora_A.weight"), "'b'", "only one of its two factors"));
  CHECK(says(with("transformer.a.lora_down.weight", Shape{2, 3}), "'transformer.a.lora_down.weight'",
             "'transformer.a.lora_A.weight'", "another name"));
  CHECK(says(with("transformer.a.alpha", Shape{2}), "'transformer.a.alpha'", "[2]", "one number"));
}

TEST_CASE("factors that do not fit together are refused", "[adapter]") {
  const Scratch scratch;
  const auto of = [&](std::vector<Factor> tensors, const Metadata& metadata = {}) {
    return refusal(write(scratch / "x.safetensors", std::move(tensors), metadata));
  };
  const auto shapes = [&](Shape a, Shape b) {
    return of({{.name = "a.lora_A.weight", .shape = a}, {.name = "a.lora_B.weight", .shape = b}});
  };
  CHECK(says(shapes({2, 3}, {4, 1}), "'a'", "[2, 3]", "[4, 1]", "[rank, in]"));
  CHECK(says(shapes({2}, {4, 2}), "'a'", "[rank, in]"));
  CHECK(says(shapes({0, 3}, {4, 0}), "'a'", "[rank, in]"));
  CHECK(says(shapes({2, 3, 3}, {4, 2, 3}), "'a'", "[rank, in]"));
  CHECK(shapes({2, 3, 3}, {4, 2, 1}).empty());
  CHECK(says(of({{.name = "a.lora_A.weight", .shape = {2, 3}},
                 {.name = "a.lora_B.weight", .shape = {4, 2}, .dtype = DType::f8_e4m3}}),
             "'a.lora_B.weight'", "F8_E4M3", "BF16"));
  CHECK(says(of({}), "no tensors"));
  CHECK(says(of(pair("base_model.model.a", ".lora_A.x.weight", ".lora_B.x.weight") +
                pair("base_model.model.a", ".lora_A.y.weight", ".lora_B.y.weight")),
             "two adapters", "'x'", "'y'"));
  CHECK(says(of(pair("a", ".lora_A.weight", ".lora_B.weight") + std::vector<Factor>{{.name = "a.alpha", .shape = {}}},
                {{"lora_adapter_metadata", "{}"}}),
             "'a.alpha'", "the header", "take one out"));
  CHECK(says(of(pair("a", ".lora_A.weight", ".lora_B.weight"), {{"lora_adapter_metadata", R"({"r": 5})"}}), "'a'",
             "rank 2", "says 5"));
}

TEST_CASE("a configuration of more than plain LoRA is refused by its key", "[adapter]") {
  const Scratch scratch;
  write(scratch / "adapter_model.safetensors", pair("base_model.model.a", ".lora_A.weight", ".lora_B.weight"));
  const auto with = [&](const std::string& text) {
    put(scratch / "adapter_config.json", text);
    return refusal(scratch.path());
  };
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, std::string>>{{"use_dora", "true"},
                                                        {"use_qalora", "true"},
                                                        {"lora_bias", "true"},
                                                        {"fan_in_fan_out", "true"},
                                                        {"layer_replication", "[[0, 2]]"},
                                                        {"modules_to_save", R"(["head"])"},
                                                        {"trainable_token_indices", "[1]"},
                                                        {"target_parameters", R"(["w"])"},
                                                        {"alora_invocation_tokens", "[1]"},
                                                        {"arrow_config", R"({"k": 1})"},
                                                        {"use_bdlora", R"({"k": 1})"},
                                                        {"kasa_config", R"({"k": 1})"},
                                                        {"monteclora_config", R"({"k": 1})"},
                                                        {"velora_config", R"({"k": 1})"},
                                                        {"corda_config", R"({"k": 1})"},
                                                        {"lora_ga_config", R"({"k": 1})"},
                                                        {"bias", R"("all")"},
                                                        {"peft_type", R"("IA3")"},
                                                        {"init_lora_weights", R"("pissa_niter_4")"}}) {
    INFO(key);
    CHECK(says(with("{\"" + key + "\": " + value + "}"), "adapter_config.json", "'" + key + "'", "plain LoRA",
               "merge_and_unload"));
    CHECK(with("{\"" + key + "\": null}").empty());
  }
  CHECK(with(R"({"bias": "none", "init_lora_weights": "gaussian", "use_dora": false, "modules_to_save": []})").empty());
  CHECK(says(with("[1]"), "adapter_config.json", "not a JSON object"));
  CHECK(says(with(R"({"lora_alpha": "8"})"), "'lora_alpha'", "expected a number"));
  CHECK(says(with(R"({"rank_pattern": [1]})"), "'rank_pattern'", "numbers by names"));
  CHECK(says(with(R"({"alpha_pattern": {"a(": 1}})"), "'a('", "cannot be read"));
  for (const char* pattern : {"a{2}", "(a|b)+", "a*b*c*d*", "[[:alpha:]]"})
    CHECK(says(with("{\"alpha_pattern\": {\"" + std::string(pattern) + "\": 1}}"), pattern, "name the layers instead"));
  CHECK(says(with("{\"alpha_pattern\": {\"" + std::string(2000, 'a') + "\": 1}}"), "longer than 256"));
}

TEST_CASE("an adapter of another model is refused by the name of its layer", "[adapter]") {
  const Scratch scratch;
  const auto fit = [&](const std::vector<Factor>& tensors, const Names& to) {
    const auto a = Adapter::open(write(scratch / "x.safetensors", tensors));
    return message_of<plan_error>([&] { (void)a.layers_in(to); });
  };
  const auto dotted = pair("blocks.1.q", ".lora_A.weight", ".lora_B.weight");
  CHECK(fit(dotted, model({"blocks.1.q"})).empty());
  CHECK(says(fit(dotted, model({"blocks.0.q", "blocks.1.k"})), "x.safetensors", "'blocks.1.q'", "'model'",
             "nearest names", "'blocks.0.q'"));
  CHECK(says(fit(dotted, Names({{.name = "blocks.1.q.weight", .shape = {4, 5}}}, "wide")), "'blocks.1.q'", "[4, 5]",
             "[2, 3]"));
  const auto flat = pair("lora_unet_blocks_1_q_k", ".lora_down.weight", ".lora_up.weight");
  CHECK(fit(flat, model({"blocks.1.q_k"})).empty());
  CHECK(says(fit(flat, model({"blocks.1.q_k", "blocks.1.q.k"})), "'blocks_1_q_k'", "'blocks.1.q_k'", "'blocks.1.q.k'",
             "names have dots"));
}

TEST_CASE("a folder without an adapter, or with several, is refused", "[adapter]") {
  const Scratch scratch;
  const auto open = [&] { return message_of<io_error>([&] { Adapter::open(scratch.path()); }); };
  CHECK(says(open(), "adapter_model.safetensors", "give the path of the file"));
  const auto tensors = pair("a", ".lora_A.weight", ".lora_B.weight");
  write(scratch / "x.safetensors", tensors);
  CHECK(open().empty());
  write(scratch / "y.safetensors", tensors);
  CHECK(says(open(), "'x.safetensors', 'y.safetensors'"));
  write(scratch / "pytorch_lora_weights.safetensors", tensors);
  CHECK(open().empty());
}
