// SPDX-License-Identifier: MIT
// The byte-level text encoder: tokens, padding, and the pipeline it belongs to.
#include <modelgrow/models/byte_encoder_json.hpp>
#include <modelgrow/models/load_model.hpp>
#include <modelgrow/models/text_to_video.hpp>

#include "stdit_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

using namespace test;
using mg::Cpu;

namespace {
const mg::ByteEncoderConfig small{.width = 12, .depth = 2, .num_heads = 3, .max_length = 16};

std::vector<double> states_of(mg::ByteEncoder<double, Cpu>& encoder, const std::vector<std::string>& captions,
                              std::int64_t which) {
  mg::Tape<double, Cpu> tape(mg::Tape<double, Cpu>::Mode::infer);
  const auto text = encoder.encode(tape, captions);
  const std::int64_t length = text.states.dim(1), width = text.states.dim(2);
  const double* begin = text.states.data() + which * length * width;
  return std::vector<double>(begin, begin + text.lengths.data()[which] * width);
}
}  // namespace

TEST_CASE("captions become bytes between marks, cut at whole characters") {
  const std::vector<std::string> captions{"cat", "", "ab\xC3\xA9\xF0\x9F\x90\xB1"};  // e acute (2 bytes), cat face (4)
  const mg::ByteTokens tokens(captions, 8);
  CHECK(tokens.length == 6);
  CHECK(tokens.lengths == std::vector<std::int32_t>{5, 2, 6});
  CHECK(std::vector<std::int32_t>(tokens.ids.begin(), tokens.ids.begin() + 6) ==
        std::vector<std::int32_t>{256, 'c', 'a', 't', 257, 258});
  CHECK(tokens.ids[6] == 256);
  CHECK(tokens.ids[7] == 257);
  CHECK(tokens.ids[12 + 4] == 0xA9);  // the four-byte character did not fit and left no half behind
}

TEST_CASE("the states of a caption do not depend on what it is batched with") {
  mg::ByteEncoder<double, Cpu> encoder(small);
  randomise(encoder, 4);
  const auto alone = states_of(encoder, {"cat"}, 0);
  const auto together = states_of(encoder, {"a longer one", "cat"}, 1);
  REQUIRE(alone.size() == together.size());
  double difference = 0;
  for (std::size_t i = 0; i < alone.size(); ++i) difference = std::max(difference, std::abs(alone[i] - together[i]));
  CHECK(difference < 1e-12);
  CHECK(states_of(encoder, {"cat"}, 0) != states_of(encoder, {"car"}, 0));
}

TEST_CASE("n-grams of the same bytes share a bucket wherever they stand, and rows do not look at each other") {
  const std::vector<std::int32_t> ids{256, 'c', 'a', 't', 's', 257, 256, 's', 'c', 'a', 't', 's'};  // two rows of six
  const auto four = mg::ngram_buckets(ids, 6, 4, 1 << 20);
  CHECK(four[4] == four[11]);  // "cats"
  CHECK(four[3] != four[10]);  // begin, "cat"; "scat"
  CHECK(mg::ngram_buckets(std::span(ids).first(6), 6, 4, 1 << 20) ==
        std::vector<std::int32_t>(four.begin(), four.begin() + 6));
  const auto three = mg::ngram_buckets(ids, 6, 3, 1 << 20);
  CHECK(three[4] == three[11]);  // "ats"
  CHECK(three[4] != four[4]);    // its own place for every length
  for (const auto bucket : mg::ngram_buckets(ids, 6, 5, 7)) CHECK((bucket >= 0 && bucket < 7));

  auto config = small;
  config.ngram_buckets = 64;
  mg::ByteEncoder<double, Cpu> encoder(config);
  randomise(encoder, 4);
  const auto alone = states_of(encoder, {"cat"}, 0), together = states_of(encoder, {"a longer one", "cat"}, 1);
  REQUIRE(alone.size() == together.size());
  double difference = 0;
  for (std::size_t i = 0; i < alone.size(); ++i) difference = std::max(difference, std::abs(alone[i] - together[i]));
  CHECK(difference < 1e-12);
  mg::ByteEncoderConfig read;
  mg::read_config(read, mg::config_text(config), "here");
  CHECK(read == config);
}

TEST_CASE("dropped captions all look the same to the model, and other captions do not notice") {
  auto config = tiny_config();
  mg::Stdit<double, Cpu> model(config);
  randomise(model, 6);
  const Inputs<double> in(config);
  const auto run_with = [&](std::vector<std::int32_t> dropped, double change) {
    mg::Tape<double, Cpu> tape(mg::Tape<double, Cpu>::Mode::infer);
    auto states = in.states.clone();
    states.data()[0] += change;  // of the first caption
    mg::TextStates<double, Cpu> text{tape.constant(states), in.lengths,
                                     mg::Tensor<std::int32_t, Cpu>::from({2}, std::span<const std::int32_t>(dropped))};
    return model.forward(tape, tape.constant(in.x), in.t, text).value();
  };
  CHECK(relative_difference(run_with({1, 0}, 0.0), run_with({1, 0}, 3.0)) == 0);
  CHECK(relative_difference(run_with({0, 1}, 0.0), run_with({0, 1}, 3.0)) > 0);
}

TEST_CASE("encoder and transformer that do not fit are refused") {
  auto video = tiny_config();
  CHECK_THROWS_AS((mg::TextToVideo<float, Cpu>(video, small)), mg::shape_error);
  video.caption_channels = 12;
  video.model_max_length = 16;
  const mg::TextToVideo<float, Cpu> model(video, small);
  std::vector<std::string> names;
  mg::for_each_parameter(model, [&](const std::string& path, const auto&) { names.push_back(path); });
  CHECK(names.front() == "transformer.pos_embed");
  CHECK(names.back() == "text_encoder.norm.bias");
  const mg::TextToVideo<float, Cpu> alone(video);  // its states come from elsewhere
  mg::for_each_parameter(alone, [&](const std::string& path, const auto&) { names.push_back(path); });
  CHECK(names.back() == "transformer.final_layer.linear.bias");
  CHECK_THROWS_AS((mg::ByteEncoder<float, Cpu>({.width = 10, .num_heads = 3})), mg::shape_error);
  CHECK_THROWS_AS((mg::ByteEncoder<float, Cpu>({.ngram_buckets = -1})), mg::shape_error);
}

TEST_CASE("a model comes back from its folder, and a folder without config.json says what is missing") {
  const mg::testing::Scratch scratch;
  const auto& folder = scratch.path();
  mg::Stdit<float, Cpu> model(tiny_config());
  randomise(model, 8);
  mg::save(folder / "model.safetensors", model);
  CHECK_THROWS_AS((mg::load_model<mg::Stdit<float, Cpu>>(folder)), mg::format_error);
  mg::detail::write_file(folder / "config.json", mg::config_text(model.config));
  auto back = mg::load_model<mg::Stdit<float, Cpu>>(folder);
  const Inputs<float> in(model.config);
  CHECK(relative_difference(run(back, in), run(model, in)) == 0);
  mg::ByteEncoderConfig read;
  mg::read_config(read, mg::config_text(small), "here");
  CHECK(read == small);
}
