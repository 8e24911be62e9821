// SPDX-License-Identifier: MIT
// Captions to states by a manifest: what is cropped, normalised, laid side by side and padded, and which model may do
// it.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/text/caption_encoder.hpp>
#include <tests/support/random.hpp>
#include <tests/support/tiny_llm.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

using M = PromptManifest;
const std::vector<std::string> captions = {"a red heart", "", "waving hand, slowly", "a red heart", "x"};

/// Hidden states [tokens, width] of one whole prompt, the long way.
Tensor<float, Cpu> by_hand(const std::filesystem::path& path, const std::string& prompt, int layer = -1) {
  PackedPrompts packed;
  packed.add(load_tokenizer(path)->encode(prompt).ids);
  return PromptEncoder<Cpu>::open(path).encode(packed, {.indices = {layer}}).at(0);
}

/// Largest distance between the states of caption i and rows [first, ..) of others, columns [column, ..).
double distance(const CaptionStates& states, std::int64_t i, const Tensor<float, Cpu>& other, std::int64_t first,
                std::int64_t column = 0) {
  double most = 0;
  const std::int64_t width = states.states.dim(1), n = other.dim(1);
  for (std::int64_t t = 0; t < states.length(i); ++t)
    for (std::int64_t c = 0; c < n; ++c)
      most = std::max(most, std::abs(double(states.caption(i)[std::size_t(t * width + column + c)]) -
                                     other.data()[(first + t) * n + c]));
  return most;
}

/// Mean and variance of every `width` numbers, at their furthest from 0 and 1.
double unlike_normal(std::span<const float> values, std::size_t width) {
  double most = 0;
  for (; !values.empty(); values = values.subspan(width)) {
    double mean = 0, square = 0;
    for (std::size_t i = 0; i < width; ++i) mean += values[i] / double(width);
    for (std::size_t i = 0; i < width; ++i) square += (values[i] - mean) * (values[i] - mean) / double(width);
    most = std::max({most, std::abs(mean), std::abs(square - 1)});
  }
  return most;
}

}  // namespace

TEST_CASE("states of captions are those of their prompts, in order, equal captions alike") {
  const Scratch scratch;
  const auto path = TinyLlm{}.in(scratch);
  const auto encoder = CaptionEncoder<Cpu>::open(path);
  CHECK(encoder.width() == 16);
  const auto states = encoder.encode(captions);
  REQUIRE(states.count() == 5);
  CHECK(states.states.dim(0) == states.begins.back());
  for (const std::int64_t i : {0, 2, 4}) {
    const auto expected = by_hand(path, captions[std::size_t(i)]);
    CHECK(states.length(i) == expected.dim(0));
    CHECK(distance(states, i, expected, 0) < 1e-5);
  }
  CHECK(std::ranges::equal(states.caption(0), states.caption(3)));
  CHECK(encoder.encode({}).count() == 0);
}

TEST_CASE("an empty prompt is one space; a model that marks the begin has its mark") {
  const Scratch scratch;
  const auto path = TinyLlm{}.in(scratch), marked = TinyLlm{.begin_of_text = 1}.in(scratch, "marked.gguf");
  const auto states = CaptionEncoder<Cpu>::open(path).encode(captions);
  CHECK(states.length(1) == 1);
  CHECK(distance(states, 1, by_hand(path, " "), 0) < 1e-5);
  const auto encoder = CaptionEncoder<Cpu>::open(marked);
  CHECK(encoder.tokens("").ids == std::vector<std::int32_t>{1});
  CHECK(encoder.tokens("").kept() == 1);
}

TEST_CASE("what is cropped is exactly the template before the caption") {
  const Scratch scratch;
  const auto path = TinyLlm{}.in(scratch);
  const std::string before = "<|im_start|>Describe the video:\n", after = "<|im_end|>";
  const M whole{.prompt_template = before + "{}" + after};
  M cropped = whole;
  cropped.crop_start = M::at_caption;
  const auto full = CaptionEncoder<Cpu>::open(path, whole);
  const auto crop = CaptionEncoder<Cpu>::open(path, cropped);
  const auto prefix = std::int64_t(crop.tokenizer().encode(before).ids.size());
  REQUIRE(prefix > 5);
  const auto all = full.encode(captions), behind = crop.encode(captions);
  for (std::int64_t i = 0; i < 5; ++i) {
    CAPTURE(i);
    CHECK(behind.length(i) == all.length(i) - prefix);
    const Tensor<float, Cpu> complete = by_hand(path, before + captions[std::size_t(i)] + after);
    CHECK(distance(all, i, complete, 0) < 1e-5);
    CHECK(distance(behind, i, complete, prefix) < 1e-5);
  }
  cropped.crop_start = prefix;
  const auto counted = CaptionEncoder<Cpu>::open(path, cropped).encode(captions);
  CHECK(counted.begins == behind.begins);
  CHECK(std::ranges::equal(counted.states.span(), behind.states.span()));
}

TEST_CASE("a token that stands for template and caption belongs to the caption") {
  const Scratch scratch;
  const auto encoder =
      CaptionEncoder<Cpu>::open(TinyLlm{}.in(scratch), {.prompt_template = "a {}", .crop_start = M::at_caption});
  const auto& tokenizer = encoder.tokenizer();
  const auto ids = tokenizer.encode("a the").ids;  // "a", " the": the space is the template's
  REQUIRE(ids == std::vector<std::int32_t>{*tokenizer.find("a"), *tokenizer.find("\xC4\xA0the")});
  CHECK(encoder.tokens("the").ids == ids);
  CHECK(encoder.tokens("the").crop == 1);
}

TEST_CASE("the last state stays, whatever is cropped") {
  const Scratch scratch;
  const auto path = TinyLlm{}.in(scratch);
  for (const std::int64_t crop : {M::at_caption, std::int64_t{50}}) {
    CAPTURE(crop);
    const auto encoder =
        CaptionEncoder<Cpu>::open(path, {.prompt_template = "Video: {}", .crop_start = crop, .max_length = 8});
    const auto tokens = encoder.tokens("");
    CHECK(tokens.kept() == 1);
    const auto states = encoder.encode(std::vector<std::string>{""});
    CHECK(distance(states, 0, by_hand(path, "Video: "), tokens.crop) < 1e-5);
  }
}

TEST_CASE("marks of the tokenizer: the one before goes with the template, the one behind stays") {
  const Scratch scratch;
  const auto path = tiny_bert(scratch);
  const M whole{.prompt_template = "video of {}", .max_length = 16};
  M cropped = whole;
  cropped.crop_start = M::at_caption;
  const auto full = CaptionEncoder<Cpu>::open(path, whole), crop = CaptionEncoder<Cpu>::open(path, cropped);
  CHECK(full.manifest().language_model == "bert");
  CHECK(full.tokens("red heart").ids == std::vector<std::int32_t>{2, 10, 11, 6, 7, 3});
  CHECK(full.tokens("red heart").crop == 0);
  CHECK(crop.tokens("red heart").crop == 3);
  CHECK(crop.tokens("").ids == std::vector<std::int32_t>{2, 10, 11, 3});
  CHECK(crop.tokens("").crop == 3);  // [SEP] alone
  const std::vector<std::string> text = {"red heart", "cat"};
  const auto states = crop.encode(text);
  CHECK(distance(states, 0, by_hand(path, "video of red heart"), 3) < 1e-5);
  CHECK(distance(states, 1, by_hand(path, "video of cat"), 3) < 1e-5);
}

TEST_CASE("long captions are cropped before they are read, or refused") {
  const Scratch scratch;
  const auto path = tiny_bert(scratch);
  M m{.prompt_template = "video of {} cat", .crop_start = M::at_caption, .max_length = 3};
  const auto encoder = CaptionEncoder<Cpu>::open(path, m);
  const auto tokens = encoder.tokens("red heart waving");
  CHECK(tokens.ids == std::vector<std::int32_t>{2, 10, 11, 6, 7, 3});  // [CLS] video of red heart [SEP]
  CHECK(tokens.crop == 3);
  CHECK(tokens.kept() == 3);
  m.max_length = 1;
  CHECK(CaptionEncoder<Cpu>::open(path, m).tokens("red heart").ids == std::vector<std::int32_t>{2, 10, 11, 3});
  m.max_length = 16;  // with the template, the model's limit comes first
  std::string words;
  for (int i = 0; i < 20; ++i) words += "red ";
  const auto most = CaptionEncoder<Cpu>::open(path, m).tokens(words);
  CHECK(most.ids.size() == 16);
  CHECK(most.ids.back() == 3);
  CHECK(most.crop == 3);
  m.too_long = M::TooLong::refuse;
  m.max_length = 3;
  const auto strict = CaptionEncoder<Cpu>::open(path, m);
  CHECK(strict.tokens("red").kept() == 3);  // red cat [SEP]
  CHECK(says(message_of<format_error>([&] { strict.tokens("red heart"); }), "'red heart'", "prompt of 7 tokens",
             "at most 6", "shorten it"));
}

TEST_CASE("cropping a causal model's prompt does not change the states that stay") {
  const Scratch scratch;
  const auto path = TinyLlm{}.in(scratch);
  const std::string caption = "a red heart that waves at a cat, slowly";
  const auto full = by_hand(path, caption);
  REQUIRE(full.dim(0) > 6);
  const auto states = CaptionEncoder<Cpu>::open(path, {.max_length = 5}).encode(std::vector<std::string>{caption});
  CHECK(states.length(0) == 5);
  CHECK(distance(states, 0, full, 0) < 1e-5);
}

TEST_CASE("several layers lie side by side, each token normalised by itself") {
  const Scratch scratch;
  const auto path = TinyLlm{}.in(scratch);
  M m{.layers = {.indices = {-1, 0, -2}}};
  const auto encoder = CaptionEncoder<Cpu>::open(path, m);
  CHECK(encoder.width() == 48);
  const auto plain = encoder.encode(captions);
  CHECK(plain.states.dim(1) == 48);
  for (const auto& [layer, column] : {std::pair{-1, 0}, {0, 16}, {-2, 32}})
    CHECK(distance(plain, 2, by_hand(path, captions[2], layer), 0, column) < 1e-5);
  CHECK(unlike_normal(plain.states.span(), 16) > 0.1);

  m.normalisation = M::Normalisation::layer_norm;
  const auto normal = CaptionEncoder<Cpu>::open(path, m).encode(captions);
  CHECK(unlike_normal(normal.states.span(), 16) < 1e-3);
  // Only shifted and stretched: the first token of the second layer against the plain one.
  const auto p = plain.caption(0).subspan(16, 16), n = normal.caption(0).subspan(16, 16);
  const double stretch = (n[1] - n[0]) / (p[1] - p[0]);
  for (std::size_t i = 2; i < 16; ++i) CHECK(std::abs((n[i] - n[0]) - stretch * (p[i] - p[0])) < 1e-4);

  m.layers = HiddenLayers{.indices = {}};
  CHECK(CaptionEncoder<Cpu>::open(path, m).width() == 48);  // the embedding and two layers
  m.layers = HiddenLayers::mean_of_all();
  const auto mean = CaptionEncoder<Cpu>::open(path, m);
  CHECK(mean.width() == 16);
  CHECK(mean.encode(captions).states.dim(1) == 16);
}

TEST_CASE("padding is masked or attended") {
  const Scratch scratch;
  const auto path = TinyLlm{}.in(scratch);
  M m{.max_length = 32};
  const auto encoder = CaptionEncoder<Cpu>::open(path, m);
  const auto packed = encoder.encode(captions);
  const auto masked = encoder.states(captions);
  std::int64_t longest = 0;
  for (std::int64_t i = 0; i < 5; ++i) longest = std::max(longest, packed.length(i));
  REQUIRE(longest < 32);
  CHECK(masked.states.shape() == Shape{5, longest, 16});
  m.padding = M::Padding::attended;
  const auto attended = CaptionEncoder<Cpu>::open(path, m).states(captions);
  CHECK(attended.states.shape() == Shape{5, 32, 16});
  for (std::int64_t i = 0; i < 5; ++i) {
    const std::int64_t n = packed.length(i);
    CHECK(masked.lengths.data()[i] == n);
    CHECK(attended.lengths.data()[i] == 32);
    for (const auto& padded : {masked, attended}) {
      const std::int64_t length = padded.states.dim(1);
      const float* rows = padded.states.data() + i * length * 16;
      CHECK(std::equal(rows, rows + n * 16, packed.caption(i).data()));
      CHECK(std::all_of(rows + n * 16, rows + length * 16, [](float x) { return x == 0; }));
    }
  }
  const auto halves = encoder.states<bf16>(captions);
  CHECK(halves.states.data()[5] == bf16(masked.states.data()[5]));
}

TEST_CASE("a manifest finds its model again, and refuses another") {
  const Scratch scratch;
  const auto path = TinyLlm{}.in(scratch);
  const auto manifest = CaptionEncoder<Cpu>::open(path, {.max_length = 20}).manifest();
  CHECK(manifest.language_model == "tiny.gguf");
  CHECK(manifest.fingerprint.size() == 16);
  CHECK(manifest.max_length == 20);
  CHECK(CaptionEncoder<Cpu>::open(path, manifest).manifest() == manifest);

  const auto renamed =
      TinyLlm{.further = {gguf_value("general.description", 8, gguf_string("copy"))}}.in(scratch, "b.gguf");
  CHECK(CaptionEncoder<Cpu>::open(renamed, manifest).manifest() == manifest);

  std::string fine_tuned = TinyLlm{}.bytes();
  fine_tuned.back() = char(fine_tuned.back() + 1);  // the last byte of a matrix of 1.5 KiB
  const auto tokenizer_changed = TinyLlm{.begin_of_text = 1}.in(scratch, "c.gguf");
  for (const auto& other : {put(scratch / "d.gguf", fine_tuned), tokenizer_changed, tiny_bert(scratch)}) {
    CAPTURE(other);
    CHECK(says(message_of<format_error>([&] { CaptionEncoder<Cpu>::open(other, manifest); }), "another language model",
               "expected 'tiny.gguf' with fingerprint " + manifest.fingerprint, other.filename().string(),
               "give the path"));
  }
}

TEST_CASE("a manifest has the name that the user gave, not that of a blob") {
  const Scratch scratch;
  std::filesystem::create_directory(scratch / "blobs");
  std::filesystem::rename(TinyLlm{}.in(scratch), scratch / "blobs/9c1fe07d");
  std::filesystem::create_symlink("blobs/9c1fe07d", scratch / "tiny.gguf");
  CHECK(CaptionEncoder<Cpu>::open(scratch / "tiny.gguf").manifest().language_model == "tiny.gguf");
  tiny_bert(scratch);
  std::filesystem::create_directory_symlink("bert", scratch / "linked");
  CHECK(CaptionEncoder<Cpu>::open((scratch / "linked/").string(), {.max_length = 16}).manifest().language_model ==
        "linked");
}

TEST_CASE("tokens that the model has no embedding for") {
  const Scratch scratch;
  const auto path = tiny_bert(scratch);
  const auto with = [&](const std::string& word, int id, bool mark) {
    auto tokenizer = detail::parse_json(get(path / "tokenizer.json"), "tokenizer.json");
    tokenizer["model"]["vocab"][word] = id;
    if (mark) tokenizer["post_processor"] = {{"type", "BertProcessing"}, {"cls", {word, id}}, {"sep", {"[SEP]", 3}}};
    put(path / "tokenizer.json", tokenizer.dump());
    return path;
  };
  const auto refused = [&](auto f) { return message_of<format_error>(f); };
  const auto encoder = CaptionEncoder<Cpu>::open(with("dog", 24, false), {.max_length = 16});
  CHECK(encoder.encode(std::vector<std::string>{"a cat"}).count() == 1);  // nobody meets it
  CHECK(says(refused([&] { encoder.tokens("a dog"); }), path.string(), "the caption 'a dog'", "token 'dog'",
             "the id 24", "0 to 23", "tokenizer of this model"));
  CHECK(says(refused([&] { CaptionEncoder<Cpu>::open(with("[BIG]", 30, true), {.max_length = 16}); }), path.string(),
             "every prompt", "'[BIG]' with the id 30", "0 to 23"));
}

TEST_CASE("fingerprints of safetensors: the configuration counts, its wording does not") {
  const Scratch scratch;
  const auto path = tiny_bert(scratch);
  const auto tokenizer = load_tokenizer(path);
  const auto config = Checkpoint::open(path).config();
  const auto with = [&](const std::string& key, const detail::json& value) {
    auto changed = detail::parse_json(config, "config");
    changed[key] = value;
    put(path / "config.json", changed.dump());
    return model_fingerprint(path, *tokenizer);
  };
  const auto fingerprint = model_fingerprint(path, *tokenizer);
  CHECK(with("transformers_version", "9.9") == fingerprint);
  CHECK(with("_name_or_path", "/home/me") == fingerprint);
  CHECK(with("layer_norm_eps", 1e-3) != fingerprint);
}

TEST_CASE("manifests that a model cannot follow") {
  const Scratch scratch;
  const auto path = TinyLlm{}.in(scratch);
  const auto refused = [&](M m) {
    return message_of<format_error>([&] { CaptionEncoder<Cpu>::open(path, m).tokens("x"); });
  };
  CHECK(
      says(refused({.max_length = 257}), "'max_length' is 257", "'tiny.gguf' reads prompts of up to 256", "lower it"));
  CHECK(says(refused({.prompt_template = "{} {}"}), "'template'"));
  CHECK(says(refused({.crop_start = 256}), "cuts off the first 256", "reads no more than 256", "shorten the template"));
  CHECK_THROWS_AS(CaptionEncoder<Cpu>::open(path, {.layers = {.indices = {3}}}), shape_error);
  CHECK_THROWS_AS(CaptionEncoder<Cpu>::open(scratch / "none.gguf"), io_error);
  CHECK(says(message_of<format_error>([&] { CaptionEncoder<Cpu>::open(path).tokens("\xFF"); }), "not UTF-8"));
}

TEST_CASE("the manual's manifest") {
  const Scratch scratch;
  const auto path = TinyLlm{}.in(scratch);
  PromptManifest manifest{.prompt_template = "<|im_start|>user\nDescribe the video: {}<|im_end|>",
                          .crop_start = PromptManifest::at_caption,
                          .max_length = 64,
                          .layers = {.indices = {-1, -2}},
                          .normalisation = PromptManifest::Normalisation::layer_norm};
  const auto encoder = CaptionEncoder<Cpu>::open(path, manifest);
  const auto batch = encoder.states(std::vector<std::string>{"red heart", "a cat, waving"});
  CHECK(batch.states.dim(0) == 2);
  CHECK(batch.states.dim(2) == 2 * 16);
  CHECK(batch.states.dim(1) == std::max(batch.lengths.data()[0], batch.lengths.data()[1]));
  const std::string text = to_json(encoder.manifest());
  const auto again = CaptionEncoder<Cpu>::open(path, parse_prompt_manifest(text, "config.json"));
  CHECK(hash(again.manifest()) == hash(encoder.manifest()));
}
