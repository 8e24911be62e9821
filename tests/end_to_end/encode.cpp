// SPDX-License-Identifier: MIT
// The program `encode` as a user meets it: the cache it writes, what it adds, and what it says to bad input.
#include <modelgrow/text/embedding_cache.hpp>
#include <tests/support/program.hpp>
#include <tests/support/tiny_llm.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

const std::string clips =
    std::string(" --clips ") + MODELGROW_SOURCE_DIR + "/examples/data/clips/fluent-emoji-64-base.tar";

struct Files {
  Scratch scratch;
  std::string model = TinyLlm{}.in(scratch).string();
  std::string captions = put(scratch / "captions.txt", "red heart\r\n\na cat, waving\nred heart\n").string();
  std::string cache = (scratch / "cache.safetensors").string();

  ProgramResult encode(const std::string& more) const { return run("encode --model " + model + more); }
  ProgramResult encode_captions(const std::string& more = "") const {
    return encode(" --captions " + captions + " --out " + cache + more);
  }
  /// What the program says when it fails as it should.
  std::string refused(const std::string& more) const {
    const auto r = encode(more);
    CHECK(r.code == 1);
    CHECK(says(r.output, "encode: "));
    return r.output;
  }
};

}  // namespace

TEST_CASE("encode writes a cache of the captions of a file, and adds to it") {
  const Files files;
  const auto dry = files.encode_captions(" --dry-run");
  INFO(dry.output);
  REQUIRE(dry.code == 0);
  CHECK(says(dry.output, "would encode 3 captions of", "cache.safetensors: 3 captions", "in BF16, manifest "));
  CHECK(!std::filesystem::exists(files.cache));

  const auto first = files.encode_captions(
      " --template 'Video: {}' --crop-start caption --layers -1,0 --max-length 16 "
      "--normalise --padding attended --null-prompt 'a video' --dtype F32 "
      "--too-long refuse");
  INFO(first.output);
  REQUIRE(first.code == 0);
  CHECK(says(first.output, "encoded 3 captions of", "cache.safetensors: 3 captions", "of width 32"));
  const auto cache = EmbeddingCache::open(files.cache);
  using M = PromptManifest;
  const M expected{.language_model = "tiny.gguf",
                   .fingerprint = cache.manifest().fingerprint,
                   .prompt_template = "Video: {}",
                   .crop_start = M::at_caption,
                   .max_length = 16,
                   .too_long = M::TooLong::refuse,
                   .layers = {.indices = {-1, 0}},
                   .normalisation = M::Normalisation::layer_norm,
                   .padding = M::Padding::attended,
                   .null_prompt = "a video"};
  CHECK(to_json(cache.manifest()) == to_json(expected));
  CHECK(cache.dtype() == DType::f32);
  CHECK(cache.width() == 32);
  CHECK(std::ranges::equal(cache.captions(), std::vector<std::string>{"red heart", "a cat, waving", "a video"}));

  put(files.captions,
      "\xEF\xBB\xBF"
      "blue \r\nred heart\n");  // the same words from another editor
  const auto second = files.encode_captions();
  INFO(second.output);
  CHECK(second.code == 0);
  CHECK(says(second.output, "encoded 1 captions of", "4 captions"));
  const auto more = EmbeddingCache::open(files.cache, cache.manifest());
  CHECK(more.contains("blue"));
  CHECK(std::ranges::equal(more.rows(0), cache.rows(0)));

  const auto other = files.encode_captions(" --max-length 8");
  CHECK(other.code == 1);
  CHECK(says(other.output, "max_length is 16, not 8", "another file"));
}

TEST_CASE("encode takes captions and keywords of clips") {
  const Files files;
  const auto r = files.encode(clips + " --keywords --mean --layers all --out " + files.cache);
  INFO(r.output);
  REQUIRE(r.code == 0);
  const auto cache = EmbeddingCache::open(files.cache);
  CHECK(cache.manifest().layers == HiddenLayers::mean_of_all());
  CHECK(cache.width() == 16);
  CHECK(cache.count() > 734);
  CHECK(cache.contains("closed umbrella"));
  CHECK(cache.contains("closed umbrella, clothing, rain, umbrella"));
  CHECK(cache.contains(""));
}

TEST_CASE("encode says what is wrong and leaves nothing behind") {
  const Files files;
  const std::string in = " --captions " + files.captions + " --out " + files.cache;
  CHECK(says(files.refused(" --out " + files.cache), "nothing to encode", "--captions FILE", "--clips ARCHIVE"));
  CHECK(
      says(files.refused(" --captions /nowhere --out " + files.cache), "cannot read '/nowhere'", "one caption a line"));
  CHECK(says(files.refused(" --clips /nowhere --out " + files.cache), "/nowhere"));
  CHECK(says(files.refused(in + " --template 'no place'"), "'template' is 'no place'", "{} exactly once"));
  CHECK(says(files.refused(in + " --crop-start first"), "--crop-start 'first'", "the word caption"));
  CHECK(says(files.refused(in + " --max-length 0"), "--max-length '0'", "from 1"));
  CHECK(says(files.refused(in + " --max-length 1000"), "'max_length' is 1000", "up to 256", "lower it"));
  CHECK(says(files.refused(in + " --layers -1,x"), "--layers 'x'", "such as -1,-8"));
  CHECK(says(files.refused(in + " --layers 7"), "no hidden state 7"));
  CHECK(says(files.refused(in + " --too-long refuse --max-length 1"), "the caption 'red heart'", "shorten it"));
  put(files.captions, "\xFF\n");
  CHECK(says(files.refused(in), "captions.txt, line 1: not UTF-8 at byte 0 of 1"));
  put(files.cache, "no cache");
  CHECK(says(files.refused(in), "cache.safetensors", "truncated, altered or no safetensors file"));
  CHECK(get(files.cache) == "no cache");
  CHECK(files.scratch.entries() == 3);
  for (const std::string bad : {" --dtype F64", " --padding left", " --too-long cut", " --keywords", " --unknown"}) {
    CAPTURE(bad);
    const auto r = files.encode(in + bad);
    CHECK(r.code > 1);
    CHECK(says(r.output, bad.substr(1, bad.find(' ', 1) - 1)));
  }
  const auto missing = run("encode --model " + files.model + ".gguf --captions " + files.captions + " --out x");
  CHECK(missing.code == 1);
  CHECK(says(missing.output, "tiny.gguf.gguf"));
}

TEST_CASE("a cache of another language model is not added to") {
  const Files files;
  REQUIRE(files.encode_captions().code == 0);
  const auto other = TinyLlm{.seed = 2}.in(files.scratch, "other.gguf").string();
  const auto r = run("encode --model " + other + " --captions " + files.captions + " --out " + files.cache);
  CHECK(r.code == 1);
  CHECK(says(r.output, "another language model", "expected 'tiny.gguf'", "found 'other.gguf'"));
}
