// SPDX-License-Identifier: MIT
// Prompt manifests: JSON there and back, what is refused, hashes, differences.
#include <modelgrow/text/prompt_manifest_json.hpp>
#include <tests/support/catch.hpp>
#include <tests/support/message.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

PromptManifest everything() {
  using M = PromptManifest;
  return {.language_model = "SmolLM2 \"mini\"",
          .fingerprint = "0123456789abcdef",
          .prompt_template = "Describe:\n{}<|im_end|>",
          .crop_start = M::at_caption,
          .max_length = 77,
          .too_long = M::TooLong::refuse,
          .layers = {.indices = {-2, 3}, .combine = HiddenLayers::Combine::normalised_mean},
          .normalisation = M::Normalisation::layer_norm,
          .padding = M::Padding::attended,
          .null_prompt = "s\xC3\xA9pia"};
}

/// The message for the JSON of everything() in which `from` has become `to`.
std::string refused(const std::string& from, const std::string& to) {
  std::string text = to_json(everything());
  const auto at = text.find(from);
  REQUIRE(at != text.npos);
  return message_of<format_error>([&] { parse_prompt_manifest(text.replace(at, from.size(), to), "here.json"); });
}

std::string refused(const PromptManifest& m) {
  const auto message = message_of<format_error>([&] { to_json(m); });
  CHECK(says(message, "prompt manifest: "));
  return message;
}

}  // namespace

TEST_CASE("a prompt manifest survives JSON") {
  for (const auto& m : {PromptManifest{}, everything(), PromptManifest{.crop_start = 36, .layers = {.indices = {}}}}) {
    const std::string text = to_json(m);
    CAPTURE(text);
    CHECK(parse_prompt_manifest(text, "here") == m);
    CHECK(to_json(parse_prompt_manifest(text, "here")) == text);
  }
  CHECK(to_json({}) == R"({"language_model":"","fingerprint":"","template":"{}","crop_start":0,"max_length":256,)"
                       R"("too_long":"crop","layers":[-1],"combine":"side_by_side","normalisation":"none",)"
                       R"("padding":"masked","null_prompt":""})");
}

TEST_CASE("the JSON of a manifest is canonical: order and spacing of the source do not matter") {
  const std::string text = to_json({});
  const auto last = text.find(R"(,"null_prompt")");
  const auto shuffled = R"({ "null_prompt" : "", )" + text.substr(1, last - 1) + "}";
  CHECK(to_json(parse_prompt_manifest(shuffled, "here")) == text);
}

TEST_CASE("what is wrong in the JSON of a manifest is named") {
  CHECK(says(refused(R"("padding":"attended",)", ""), "here.json: there is no 'padding'", "null_prompt: add it"));
  CHECK(says(refused(R"("padding")", R"("paddling":1,"padding")"), "key 'paddling' is unknown", "remove it"));
  CHECK(says(refused(R"("template":")", R"("template":1,"x":")"), "'x' is unknown"));
  CHECK(says(refused(R"("SmolLM2 \"mini\"")", "7"), "'language_model' is 7; expected a string"));
  CHECK(says(refused(R"("0123456789abcdef")", R"("0123")"), "'fingerprint' is '0123'", "16 lower-case"));
  CHECK(says(refused(R"("0123456789abcdef")", R"("0123456789ABCDEF")"), "'fingerprint'"));
  CHECK(says(refused("{}", ""), "'template' is 'Describe:", "{} exactly once"));
  CHECK(says(refused("{}", "{}{}"), "'template'", "{} exactly once"));
  CHECK(says(refused(R"(:"caption")", R"(:"start")"), "'crop_start' is \"start\"", "\"caption\""));
  CHECK(says(refused(R"(:"caption")", ":-1"), "'crop_start' is -1", "from 0"));
  CHECK(says(refused(R"(:"caption")", ":1.5"), "'crop_start' is 1.5"));
  CHECK(says(refused("77", "0"), "'max_length' is 0; expected at least 1"));
  CHECK(says(refused("77", "-5"), "'max_length' is -5"));
  CHECK(says(refused("77", "18446744073709551615"), "'max_length' is 18446744073709551615; expected a number"));
  CHECK(says(refused("77", "\"77\""), "'max_length' is \"77\""));
  CHECK(says(refused("\"refuse\"", "\"cut\""), "'too_long' is \"cut\"; expected \"crop\" or \"refuse\""));
  CHECK(says(refused("[-2,3]", "-2"), "'layers' is -2; expected a list of integers"));
  CHECK(says(refused("[-2,3]", "[-2,\"3\"]"), "'layers' is \"3\""));
  CHECK(says(refused("[-2,3]", "[4294967295]"), "'layers' is 4294967295"));
  CHECK(says(refused("normalised_mean", "sum"), "'combine' is \"sum\"; expected \"side_by_side\" or"));
  CHECK(says(refused("\"layer_norm\"", "true"), "'normalisation' is true; expected \"none\" or \"layer_norm\""));
  CHECK(says(refused("\"attended\"", "\"left\""), "'padding' is \"left\"; expected \"masked\" or \"attended\""));
  CHECK(says(message_of<format_error>([] { parse_prompt_manifest("[]", "here"); }), "a JSON object; found array"));
  CHECK(says(message_of<format_error>([] { parse_prompt_manifest("{", "here"); }), "here: "));
}

TEST_CASE("a manifest that makes no sense is not written") {
  CHECK(says(refused({.prompt_template = "no caption"}), "'template' is 'no caption'"));
  CHECK(says(refused({.crop_start = -2}), "'crop_start' is -2", "number of tokens from 0"));
  CHECK(says(refused({.max_length = 0}), "'max_length' is 0"));
  CHECK(says(refused({.null_prompt = "\xFF"}), "'null_prompt' is not UTF-8"));
  CHECK(says(refused({.language_model = "\xFF"}), "'language_model' is not UTF-8"));
  CHECK(says(refused({.prompt_template = "{}\xFF"}), "'template' is not UTF-8"));
}

TEST_CASE("every setting changes the hash and is named as a difference; the model's name is for people") {
  const PromptManifest m;
  CHECK(hex_digits(hash(m)) == "5a2818924d2a443d");
  CHECK(hex_digits(0xabc) == "0000000000000abc");
  CHECK(differences(m, m) == "");
  const PromptManifest named{.language_model = "other"};
  CHECK(named != m);
  CHECK(hash(named) == hash(m));
  CHECK(differences(named, m) == "");
  using M = PromptManifest;
  const std::pair<M, const char*> changes[] = {
      {{.fingerprint = "0123456789abcdef"}, "fingerprint is \"0123456789abcdef\", not \"\" (the language models are"},
      {{.prompt_template = "a {}"}, "template is \"a {}\", not \"{}\""},
      {{.crop_start = M::at_caption}, "crop_start is \"caption\", not 0"},
      {{.max_length = 64}, "max_length is 64, not 256"},
      {{.too_long = M::TooLong::refuse}, "too_long is \"refuse\", not \"crop\""},
      {{.layers = {.indices = {-2}}}, "layers is [-2], not [-1]"},
      {{.layers = {.combine = HiddenLayers::Combine::normalised_mean}}, "combine is \"normalised_mean\""},
      {{.normalisation = M::Normalisation::layer_norm}, "normalisation is \"layer_norm\", not \"none\""},
      {{.padding = M::Padding::attended}, "padding is \"attended\", not \"masked\""},
      {{.null_prompt = "x"}, "null_prompt is \"x\", not \"\""}};
  for (const auto& [other, said] : changes) {
    CAPTURE(said);
    CHECK(other != m);
    CHECK(hash(other) != hash(m));
    CHECK(says(differences(other, m), said));
  }
}
