// SPDX-License-Identifier: MIT
// Embedding caches: what is written is what the encoder gives; what is added; every damage and mismatch is named.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/text/embedding_cache_update.hpp>
#include <tests/support/random.hpp>
#include <tests/support/tiny_llm.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

using M = PromptManifest;
using Update = EmbeddingCacheUpdate<Cpu>;
const std::vector<std::string> captions = {"a red heart", "a cat,\nwaving", "a red heart", "x"};
const M manifest{.prompt_template = "Video: {}", .crop_start = M::at_caption, .max_length = 12};

/// A cache of `captions` in a scratch directory, and parts of it to damage.
struct Cache {
  Scratch scratch;
  std::filesystem::path model = TinyLlm{}.in(scratch), path = scratch / "cache.safetensors";
  CaptionEncoder<Cpu> encoder = CaptionEncoder<Cpu>::open(model, manifest);

  explicit Cache(DType dtype = DType::f32) { Update(encoder, captions, path, dtype).write(); }

  /// The message for the file with one tensor's bytes, type or shape, or the metadata, changed.
  template <class Change>
  std::string refused(Change change) const {
    const auto in = Safetensors::open(path);
    struct Part {
      NamedShape shape;
      std::string bytes;
    };
    std::map<std::string, Part> parts;
    for (const auto& t : in.tensors())
      parts[t.name] = {.shape = {.name = t.name, .dtype = t.dtype, .shape = t.shape},
                       .bytes = {reinterpret_cast<const char*>(t.data), t.bytes}};
    Metadata metadata = in.metadata();
    change(parts, metadata);
    std::vector<NamedShape> declared;
    for (const auto& [name, part] : parts) declared.push_back(part.shape);
    SafetensorsWriter out(scratch / "damaged.safetensors", declared, metadata);
    for (const auto& [name, part] : parts) out.write(name, std::as_bytes(std::span(part.bytes)));
    out.commit();
    const auto message = message_of<format_error>([&] { EmbeddingCache::open(scratch / "damaged.safetensors"); });
    CHECK(says(message, "damaged.safetensors: "));
    return message;
  }
  /// The message when number i of an I64 tensor is another.
  std::string refused_offset(const std::string& name, std::size_t i, std::int64_t value) const {
    return refused([&](auto& parts, auto&) { std::memcpy(parts.at(name).bytes.data() + 8 * i, &value, 8); });
  }
};

}  // namespace

TEST_CASE("a cache gives the states that the encoder gives") {
  const Cache cache;
  const auto read = EmbeddingCache::open(cache.path, cache.encoder.manifest());
  CHECK(read.manifest() == cache.encoder.manifest());
  CHECK(read.count() == 4);  // three captions and the null prompt
  CHECK(read.width() == 16);
  CHECK(read.dtype() == DType::f32);
  CHECK(std::ranges::equal(read.captions(), std::vector<std::string>{"a red heart", "a cat,\nwaving", "x", ""}));
  const std::vector<std::string> wanted = {"x", "", "a cat,\nwaving", "x"};
  const auto states = read.states(wanted), expected = cache.encoder.states(wanted);
  CHECK(states.states.shape() == expected.states.shape());
  CHECK(std::ranges::equal(states.lengths.span(), expected.lengths.span()));
  CHECK(relative_error(states.states, expected.states) < 1e-5);
  CHECK(read.states(std::vector<std::string>{}).states.shape() == Shape{0, 0, 16});
}

TEST_CASE("states in 16 bits are the rounded ones") {
  const Cache whole;
  const auto exact = EmbeddingCache::open(whole.path).states(captions);
  for (const auto& [dtype, step] : {std::pair{DType::bf16, 0x1p-8}, {DType::f16, 0x1p-11}}) {
    const Cache cache(dtype);
    const auto read = EmbeddingCache::open(cache.path);
    CHECK(read.dtype() == dtype);
    const auto states = read.states(captions);
    double most = 0;
    for (std::int64_t i = 0; i < states.states.size(); ++i)
      if (exact.states.data()[i] != 0)
        most = std::max(most, std::abs(states.states.data()[i] / exact.states.data()[i] - 1.0));
    CHECK(most <= 1.01 * step);
    CHECK(most > 0.5 * step);
    CHECK(read.states<bf16>(captions).states.data()[0] == bf16(states.states.data()[0]));
  }
}

TEST_CASE("padding that is attended to is laid out from the cache as well") {
  const Scratch scratch;
  M m = manifest;
  m.padding = M::Padding::attended;
  const auto encoder = CaptionEncoder<Cpu>::open(TinyLlm{}.in(scratch), m);
  Update(encoder, captions, scratch / "c.safetensors").write();
  const auto states = EmbeddingCache::open(scratch / "c.safetensors").states(captions);
  CHECK(states.states.shape() == Shape{4, 12, 16});
  for (const auto n : states.lengths.span()) CHECK(n == 12);
}

TEST_CASE("only what is missing is encoded; what is there stays bit by bit") {
  const Cache cache(DType::bf16);
  const auto before = EmbeddingCache::open(cache.path);
  const std::vector<std::string> more = {"x", "blue", "a red heart", "blue"};
  const Update update(cache.encoder, more, cache.path);
  CHECK(update.missing() == std::vector<std::string>{"blue"});
  CHECK(update.missing_tokens() == cache.encoder.tokens("blue").kept());
  CHECK(update.count() == 5);
  CHECK(update.tokens() == before.tokens() + update.missing_tokens());
  CHECK(update.state_bytes() == std::uint64_t(update.tokens() * 16 * 2));
  CHECK(update.dtype() == DType::bf16);
  std::vector<std::int64_t> done;
  update.write([&](const ProgressReport& p) {
    CHECK(p.total == update.missing_tokens());
    done.push_back(p.done);
  });
  CHECK(done == std::vector<std::int64_t>{update.missing_tokens()});
  const auto after = EmbeddingCache::open(cache.path);
  CHECK(after.count() == 5);
  for (std::int64_t i = 0; i < before.count(); ++i) {
    CHECK(after.captions()[std::size_t(i)] == before.captions()[std::size_t(i)]);
    CHECK(std::ranges::equal(after.rows(i), before.rows(i)));
  }
  CHECK(after.contains("blue"));
  CHECK(cache.scratch.entries() == 2);  // the model and the cache

  const auto time = std::filesystem::last_write_time(cache.path);
  const Update nothing(cache.encoder, more, cache.path);
  CHECK(nothing.missing().empty());
  nothing.write();
  CHECK(std::filesystem::last_write_time(cache.path) == time);
}

TEST_CASE("states are encoded and written in parts of bounded size") {
  const Cache cache;
  const auto path = cache.scratch / "parts.safetensors";
  int parts = 0;
  Update(cache.encoder, captions, path, DType::f32).write([&](const ProgressReport&) { ++parts; }, 1);
  CHECK(parts == 4);
  const auto one = EmbeddingCache::open(cache.path).states(captions),
             many = EmbeddingCache::open(path).states(captions);
  CHECK(relative_error(many.states, one.states) < 1e-5);
}

TEST_CASE("a cache of another manifest is stale") {
  const Cache cache;
  M other = cache.encoder.manifest();
  other.max_length = 20;
  other.layers.indices = {-2};
  const auto open = [&](const M& m) { return message_of<format_error>([&] { EmbeddingCache::open(cache.path, m); }); };
  CHECK(says(open(other), "another prompt manifest: max_length is 12, not 20; layers is [-1], not [-2]",
             "encode the captions again"));
  CHECK(says(
      message_of<format_error>([&] { Update(CaptionEncoder<Cpu>::open(cache.model, other), captions, cache.path); }),
      "another prompt manifest"));
  const auto another = CaptionEncoder<Cpu>::open(TinyLlm{.seed = 2}.in(cache.scratch, "other.gguf"), manifest);
  CHECK(says(open(another.manifest()), "fingerprint is", "'tiny.gguf' and 'other.gguf'"));
}

TEST_CASE("a caption that is not in the cache is named, with the command that adds it") {
  const Cache cache;
  CHECK(says(message_of<format_error>([&] {
               EmbeddingCache::open(cache.path).states(std::vector<std::string>{"x", "green"});
             }),
             "no states of the caption 'green'", "encode --model tiny.gguf --captions FILE --out",
             "cache.safetensors"));
}

TEST_CASE("types that a cache cannot have") {
  const Cache cache;
  const auto refused = [&](DType dtype, const char* file) {
    return message_of<format_error>([&] { Update(cache.encoder, captions, cache.scratch / file, dtype); });
  };
  CHECK(says(refused(DType::f64, "new.safetensors"), "cannot have type F64", "BF16, F16 or F32"));
  CHECK(says(refused(DType::u8, "new.safetensors"), "cannot have type U8"));
  CHECK(says(refused(DType::bf16, "cache.safetensors"), "have type F32, not BF16", "another file"));
}

TEST_CASE("states that the type cannot hold are refused, and nothing is written") {
  const Scratch scratch;
  const auto loud = CaptionEncoder<Cpu>::open(TinyLlm{.final_norm = 1e5f}.in(scratch), manifest);
  const auto path = scratch / "c.safetensors";
  CHECK(says(message_of<format_error>([&] { Update(loud, captions, path, DType::f16).write(); }),
             "a state of the caption 'a red heart' is", "F16 holds numbers up to 65504", "choose BF16"));
  CHECK(scratch.entries() == 1);
  Update(loud, captions, path, DType::bf16).write();
  CHECK(EmbeddingCache::open(path).count() == 4);
  const auto endless =
      CaptionEncoder<Cpu>::open(TinyLlm{.final_norm = HUGE_VALF}.in(scratch, "endless.gguf"), manifest);
  CHECK(says(message_of<format_error>([&] { Update(endless, captions, scratch / "d.safetensors").write(); }),
             "BF16 holds", "are the weights of the language model sound?"));
  CHECK_THROWS_AS(Update(loud, captions, scratch / "none/c.safetensors").write(), io_error);
}

TEST_CASE("captions that cannot be encoded are refused before anything is computed") {
  const Cache cache;
  M strict = manifest;
  strict.too_long = M::TooLong::refuse;
  strict.max_length = 1;
  const auto encoder = CaptionEncoder<Cpu>::open(cache.model, strict);
  const auto path = cache.scratch / "new.safetensors";
  CHECK(says(message_of<format_error>([&] { Update(encoder, captions, path); }), "'a red heart'", "shorten it"));
  CHECK(says(message_of<format_error>([&] { Update(cache.encoder, std::vector<std::string>{"\xFF"}, path); }),
             "not UTF-8"));
}

TEST_CASE("files that are no cache") {
  const Cache cache;
  const auto refused = [&](const std::filesystem::path& path) {
    return message_of<format_error>([&] { EmbeddingCache::open(path); });
  };
  CHECK(says(refused(cache.model), "GGUF file"));
  CHECK(says(refused(std::filesystem::path(MODELGROW_SOURCE_DIR) / "tests/golden/llm/llama.safetensors"),
             "no metadata 'modelgrow.embedding_cache'", "no embedding cache"));
  CHECK_THROWS_AS(EmbeddingCache::open(cache.scratch / "none"), io_error);
  const std::string bytes = get(cache.path);
  CHECK(says(refused(put(cache.scratch / "short", bytes.substr(0, bytes.size() - 1))), "truncated"));
  CHECK(says(refused(put(cache.scratch / "short", bytes.substr(0, 100))), "truncated"));
}

TEST_CASE("damage to a cache is named") {
  const Cache cache;
  const auto read = EmbeddingCache::open(cache.path);
  const std::string end = std::to_string(read.tokens());
  for (const std::string key : {"modelgrow.embedding_cache", "manifest", "manifest_hash"})
    CHECK(says(cache.refused([&](auto&, auto& metadata) { metadata.erase(key); }), "no metadata '" + key + "'"));
  CHECK(says(cache.refused([](auto&, auto& metadata) { metadata["modelgrow.embedding_cache"] = "2"; }),
             "version '2'; expected '1'"));
  CHECK(says(cache.refused([](auto&, auto& metadata) { metadata["manifest"] = "{}"; }), "manifest: there is no"));
  CHECK(says(cache.refused([](auto&, auto& metadata) {
    M m = manifest;
    m.max_length = 13;
    metadata["manifest"] = to_json(m);
  }),
             "hash of the manifest"));
  for (const std::string name : {"states", "begins", "captions", "caption_begins"})
    CHECK(says(cache.refused([&](auto& parts, auto&) { parts.erase(name); }), "no tensor '" + name + "'"));
  CHECK(says(cache.refused([](auto& parts, auto&) { parts["states"].shape.dtype = DType::i32; }), "type I32"));
  CHECK(says(cache.refused([](auto& parts, auto&) { parts["begins"].shape.dtype = DType::u64; }),
             "'begins' has type U64; expected I64"));
  CHECK(says(cache.refused([](auto& parts, auto&) { parts["captions"].shape.dtype = DType::i8; }), "type I8"));
  CHECK(says(cache.refused([&](auto& parts, auto&) { parts["states"].shape.shape = {read.tokens() * 16}; }),
             "expected rank 2"));
  CHECK(says(cache.refused([](auto& parts, auto&) {
    parts["begins"].shape.shape = {0};
    parts["begins"].bytes.clear();
  }),
             "'begins' is empty"));
  CHECK(says(cache.refused_offset("begins", 0, 1), "'begins' goes from 1 to " + end + "; expected 0 to " + end));
  CHECK(says(cache.refused_offset("begins", 4, 1000), "goes from 0 to 1000; expected 0 to " + end));
  CHECK(says(cache.refused_offset("begins", 1, 0), "goes from 0 to 0 at 1; expected a larger offset"));
  CHECK(says(cache.refused_offset("begins", 1, -7), "goes from 0 to -7 at 1"));
  CHECK(says(cache.refused_offset("begins", 2, INT64_MIN), "goes from", "at 2"));
  CHECK(says(cache.refused_offset("begins", 1, INT64_MAX), "at 2; expected a larger offset"));
  CHECK(says(cache.refused_offset("caption_begins", 2, 2), "'caption_begins' goes from 11 to 2 at 2", "not smaller"));
  CHECK(says(cache.refused([](auto& parts, auto&) {
    parts["caption_begins"].shape.shape = {4};
    parts["caption_begins"].bytes.erase(8, 8);
  }),
             "'begins' is of 4 captions, 'caption_begins' of 3"));
  CHECK(says(cache.refused([](auto& parts, auto&) { parts["captions"].bytes[3] = '\xFF'; }), "caption 0 is not UTF-8"));
  CHECK(says(cache.refused_offset("caption_begins", 2, 25), "the caption '' is there twice"));
  CHECK(says(cache.refused([](auto&, auto& metadata) {
    M m = manifest;
    m.max_length = 1;
    metadata["manifest"] = to_json(m);
    metadata["manifest_hash"] = hex_digits(hash(m));
  }),
             "states; the manifest keeps up to 1"));
}

TEST_CASE("the manual's cache") {
  const Scratch scratch;
  const auto encoder = CaptionEncoder<Cpu>::open(TinyLlm{}.in(scratch));
  const std::vector<std::string> all = {"red heart", "a cat, waving"}, batch = {"red heart"};
  const auto path = scratch / "captions.safetensors";
  const EmbeddingCacheUpdate update(encoder, all, path, DType::bf16);
  CHECK(update.missing().size() == 3);
  update.write();
  const auto cache = EmbeddingCache::open(path, encoder.manifest());
  const auto text = cache.states<float>(batch);
  CHECK(text.states.dim(0) == 1);
}
