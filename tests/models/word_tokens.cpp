// SPDX-License-Identifier: MIT
// Captions as words of a vocabulary, and the encoder that reads them.
#include <modelgrow/models/byte_encoder.hpp>
#include <modelgrow/text/byte_states.hpp>

#include "stdit_support.hpp"
#include "tests/support/catch.hpp"

using namespace test;
using mg::Cpu;

TEST_CASE("captions become words between marks; strangers are one token, ends that do not fit are cut") {
  const std::vector<std::string> captions{"a cat", "", " the  dog a", "a a a a a a a a"};
  const mg::WordTokens tokens(captions, "a cat sits", 8);
  CHECK(mg::WordTokens::vocabulary("a cat sits") == 7);
  CHECK(tokens.length == 8);
  CHECK(tokens.lengths == std::vector<std::int32_t>{4, 2, 5, 8});
  const auto row = [&](std::size_t i, std::size_t n) {
    return std::vector<std::int32_t>(tokens.ids.begin() + std::ptrdiff_t(8 * i),
                                     tokens.ids.begin() + std::ptrdiff_t(8 * i + n));
  };
  CHECK(row(0, 5) == std::vector<std::int32_t>{0, 4, 5, 1, 2});
  CHECK(row(1, 3) == std::vector<std::int32_t>{0, 1, 2});
  CHECK(row(2, 5) == std::vector<std::int32_t>{0, 3, 3, 4, 1});
  CHECK(row(3, 8) == std::vector<std::int32_t>{0, 4, 4, 4, 4, 4, 4, 1});
}

TEST_CASE("an encoder of words tells known words apart and comes back from its configuration") {
  const mg::ByteEncoderConfig config{.width = 12, .depth = 1, .num_heads = 2, .max_length = 8, .words = "red blue"};
  mg::ByteEncoder<float, Cpu> encoder(config);
  randomise(encoder, 4);
  CHECK(encoder.token_embedding.value.dim(0) == 6);
  const auto states = [&](const std::string& caption) {
    mg::Tape<float, Cpu> tape(mg::Tape<float, Cpu>::Mode::infer);
    const auto text = encoder.encode(tape, std::vector{caption});
    return std::vector<float>(text.states.data(), text.states.data() + text.states.value().size());
  };
  CHECK(states("red") != states("blue"));
  CHECK(states("crimson") == states("scarlet"));
  mg::ByteEncoderConfig read;
  mg::read_config(read, mg::config_text(config), "here");
  CHECK(read == config);
  const auto aligned = mg::caption_states(encoder, std::vector<std::string>{" red  blue"});
  REQUIRE(aligned.spans.size() == 4);
  CHECK(aligned.spans[1].begin == 1);
  CHECK(aligned.spans[1].end == 4);
  CHECK(aligned.spans[2].begin == 6);
  CHECK(aligned.spans[3].begin == 10);
}
