// SPDX-License-Identifier: MIT
// The right encoder for every kind of file.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/models/prompt_encoder.hpp>

#include <tests/support/gguf_bytes.hpp>
#include <tests/support/llm_golden.hpp>
#include <tests/support/random.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("a model is recognised by its file") {
  for (const std::string name :
       {"llama.gguf", "llama.safetensors", "qwen3.safetensors", "umt5.safetensors", "bert.safetensors"}) {
    CAPTURE(name);
    const Expected expected(name);
    const auto model = PromptEncoder<Cpu>::open(llm_golden / name);
    CHECK(model.width() == 32);
    CHECK(model.depth() == 2);
    CHECK(model.max_length() == (name[0] == 'b' ? 16 : name[0] == 'u' ? std::int64_t{1} << 31 : 64));
    CHECK(relative_error(model.encode(expected.prompts).at(0), expected.state(2)) < 5e-6);
  }
}

TEST_CASE("a GGUF model may have any name, and be a link") {
  const Scratch scratch;
  for (const char* name : {"sha256-9c1fe07d", "tiny.GGUF", "blob"})
    std::filesystem::copy_file(llm_golden / "llama.gguf", scratch / name);
  std::filesystem::create_symlink("blob", scratch / "link.gguf");
  for (const char* name : {"sha256-9c1fe07d", "tiny.GGUF", "blob", "link.gguf"})
    CHECK(PromptEncoder<Cpu>::open(scratch / name).vocabulary() == 24);
}

TEST_CASE("what is no known model is refused") {
  const auto refused = [](const std::filesystem::path& path) {
    return message_of<format_error>([&] { PromptEncoder<Cpu>::open(path); });
  };
  const Scratch scratch;
  CHECK(says(
      refused(altered_golden("bert.safetensors", R"("model_type\": \"bert\")", R"("model_type\": \"gpt2\")", scratch)),
      "model_type", "'gpt2'", "qwen3", "umt5", "bert"));
  CHECK(says(refused(altered_golden("bert.safetensors", "\"config\"", "\"conflg\"", scratch)), "no config.json"));
  CHECK_THROWS_AS(PromptEncoder<Cpu>::open(scratch / "missing"), io_error);
  const auto vocabulary = std::filesystem::path(MODELGROW_SOURCE_DIR) / "tests/golden/tokenizers/smollm.gguf";
  CHECK(says(refused(vocabulary), vocabulary.string(), "has no tensors", "vocabulary", "fetch the model itself"));
  const std::string header = R"({"__metadata__":{"config":"{}"}})";
  const auto nothing = put(scratch / "nothing.safetensors", u64(header.size()) + header);
  CHECK(says(refused(nothing), nothing.string(), "has no tensors", "fetch the model itself"));
}
