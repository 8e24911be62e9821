// SPDX-License-Identifier: MIT
// Which states of two encoders are paired: by the bytes of the caption that they stand for.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/nn/initialise.hpp>
#include <modelgrow/text/aligned_pairs.hpp>
#include <modelgrow/text/byte_states.hpp>
#include <modelgrow/text/embedding_cache_update.hpp>
#include <tests/support/tiny_llm.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

using Spans = std::vector<TextSpan>;

/// States of width 1 with these values.
CaptionStates states(std::vector<Spans> captions, const std::vector<float>& values) {
  CaptionStates s;
  for (const auto& c : captions) {
    s.begins.push_back(s.begins.back() + std::int64_t(c.size()));
    s.spans.insert(s.spans.end(), c.begin(), c.end());
  }
  s.states = Tensor<float, Cpu>::from({s.begins.back(), 1}, values);
  return s;
}
Spans spans(std::initializer_list<std::pair<std::size_t, std::size_t>> list) {
  Spans s;
  for (const auto& [begin, end] : list) s.push_back({.begin = begin, .end = end});
  return s;
}
/// "abcdef" in bytes between two marks, as the byte-level encoder reads it.
const Spans bytes = spans({{0, 0}, {0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 5}, {5, 6}, {6, 6}});
const std::vector<float> values{-1, 1, 2, 3, 4, 5, 6, -7};

}  // namespace

TEST_CASE("a token goes with the states of its bytes, a mark with the marks on its side") {
  const auto wanted = states({bytes}, values);
  const auto pairs =
      aligned_pairs(states({spans({{0, 0}, {0, 2}, {2, 6}, {6, 6}, {6, 6}})}, {10, 20, 30, 40, 50}), wanted);
  CHECK(pairs.count == 5);
  CHECK(pairs.read == std::vector<double>{10, 20, 30, 40, 50});
  CHECK(pairs.wanted == std::vector<double>{-1, 1.5, 4.5, -7, -7});
  CHECK((pairs.read_width == 1 && pairs.wanted_width == 1));
}

TEST_CASE("a token that shares bytes with several gets their mean by the bytes in common") {
  const auto wanted = states({spans({{0, 3}, {3, 6}})}, {8, 16});
  const auto pairs = aligned_pairs(states({spans({{0, 2}, {2, 6}})}, {1, 2}), wanted);
  CHECK(pairs.wanted == std::vector<double>{8, (8 * 1 + 16 * 3) / 4.0});
}

TEST_CASE("states without counterpart and captions without text are left out") {
  // No marks on the wanted side; the last token lies behind what the old encoder kept; an empty caption.
  const auto pairs = aligned_pairs(states({spans({{0, 0}, {0, 2}, {2, 3}, {3, 3}}), spans({{0, 0}})}, {1, 2, 3, 4, 5}),
                                   states({spans({{0, 2}}), spans({{0, 0}, {0, 0}})}, {9, 8, 7}));
  CHECK(pairs.read == std::vector<double>{2});
  CHECK(pairs.wanted == std::vector<double>{9});
  CHECK(aligned_pairs({}, {}).count == 0);
}

TEST_CASE("states that cannot be paired are refused") {
  const auto one = states({bytes}, values);
  auto blind = one;
  blind.spans.clear();
  for (const bool first : {true, false})
    CHECK(says(message_of<shape_error>([&] { first ? aligned_pairs(blind, one) : aligned_pairs(one, blind); }),
               "8 states", "spans of 0", "tokenizer"));
  CHECK(says(message_of<shape_error>([&] { aligned_pairs(one, {}); }), "1 captions", "0"));
}

TEST_CASE("a language model knows the bytes of the caption, whatever the template, the crop and the length") {
  const Scratch scratch;
  const auto path = TinyLlm{}.in(scratch);
  const std::string caption = "a red heart";
  const auto read = [&](PromptManifest m) {
    const auto encoder = CaptionEncoder<Cpu>::open(path, m);
    const auto states = encoder.encode(std::vector<std::string>{caption, "x"});
    CHECK(std::int64_t(states.spans.size()) == states.begins.back());
    CHECK(encoder.spans(std::vector<std::string>{caption, "x"}) == states.spans);
    return Spans(states.spans.begin(), states.spans.begin() + states.length(0));
  };
  const Spans words = load_tokenizer(path)->encode(caption).spans;
  REQUIRE(words.size() > 2);
  CHECK(words.front() == TextSpan{.begin = 0, .end = 1});
  CHECK(read({}) == words);
  CHECK(read({.prompt_template = "Video: {}", .crop_start = PromptManifest::at_caption}) == words);
  CHECK(read({.max_length = 2}) == Spans(words.begin(), words.begin() + 2));
  const auto around = read({.prompt_template = "Video: {}<|im_end|>"});
  const auto n = std::ptrdiff_t(words.size());
  REQUIRE(around.size() > words.size() + 1);
  CHECK(around.front() == TextSpan{});
  CHECK(Spans(around.end() - 1 - n, around.end() - 1) == words);
  CHECK(around.back() == TextSpan{.begin = 11, .end = 11});
  // Marks that end a cropped caption keep their place.
  CHECK(read({.prompt_template = "{}<|im_end|>"}).back() == TextSpan{.begin = 11, .end = 11});
}

TEST_CASE("the states of a cache are those of the encoder, one behind the other") {
  const Scratch scratch;
  const auto encoder = CaptionEncoder<Cpu>::open(TinyLlm{}.in(scratch));
  const std::vector<std::string> captions{"a red heart", "x", "a cat"};
  EmbeddingCacheUpdate<Cpu>(encoder, captions, scratch / "cache.safetensors", DType::f32).write();
  const auto cache = EmbeddingCache::open(scratch / "cache.safetensors");
  const std::vector<std::string> asked{"a cat", "a red heart", "a cat"};
  const auto read = cache.unpadded(asked), expected = encoder.encode(asked);
  CHECK(read.begins == expected.begins);
  CHECK(std::ranges::equal(read.states.span(), expected.states.span()));
  CHECK(read.spans.empty());
  CHECK(says(message_of<format_error>([&] { cache.unpadded(std::vector<std::string>{"a dog"}); }), "a dog"));
}

TEST_CASE("byte states are those of the encoder, and know their bytes") {
  ByteEncoder<float, Cpu> encoder(ByteEncoderConfig{.width = 12, .depth = 1, .num_heads = 2, .max_length = 8});
  initialise(encoder, 1);
  const std::vector<std::string> captions{"abcdef", "\xC3\xA9", "much too long"};
  const auto all = caption_states(encoder, captions, 2);
  CHECK(all.begins == std::vector<std::int64_t>{0, 8, 12, 20});
  CHECK(Spans(all.spans.begin(), all.spans.begin() + 8) == bytes);
  CHECK(Spans(all.spans.begin() + 8, all.spans.begin() + 12) == spans({{0, 0}, {0, 1}, {1, 2}, {2, 2}}));
  CHECK(all.spans.back() == TextSpan{.begin = 6, .end = 6});  // the end that was read
  Tape<float, Cpu> tape(Tape<float, Cpu>::Mode::infer);
  const auto expected = encoder.encode(tape, captions).states.value();
  for (std::int64_t t = 0; t < 4; ++t)
    for (std::int64_t c = 0; c < 12; ++c)
      CHECK(std::abs(all.caption(1)[std::size_t(t * 12 + c)] - expected.data()[8 * 12 + t * 12 + c]) < 1e-5f);
}
