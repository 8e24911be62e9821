// SPDX-License-Identifier: MIT
// The right tokenizer for each kind of file and directory.
#include <modelgrow/text/load_tokenizer.hpp>
#include <tests/text/golden.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("tokenizers by file") {
  for (const char* name : {"smollm.json", "smollm.gguf", "llama3.json", "wordpiece.json", "unigram.model"})
    check_golden(*load_tokenizer(tokenizers / name), std::filesystem::path(name).stem().string());
}

TEST_CASE("tokenizers by directory") {
  const Scratch scratch;
  CHECK(says(message_of<io_error>([&] { load_tokenizer(scratch.path()); }), "neither spiece.model nor tokenizer.json"));
  std::filesystem::copy_file(tokenizers / "wordpiece.json", scratch / "tokenizer.json");
  check_golden(*load_tokenizer(scratch.path()), "wordpiece");
  std::filesystem::copy_file(tokenizers / "unigram.model", scratch / "spiece.model");
  check_golden(*load_tokenizer(scratch.path()), "unigram");
}

TEST_CASE("tokenizers by what is in a file, whatever its name") {
  const Scratch scratch;
  for (const char* name : {"smollm.gguf", "llama3.json", "unigram.model"}) {
    const auto blob = scratch / (std::filesystem::path(name).stem().string() + "-9c1fe07d");
    std::filesystem::copy_file(tokenizers / name, blob);
    check_golden(*load_tokenizer(blob), std::filesystem::path(name).stem().string());
  }
}

TEST_CASE("tokenizers of pipelines lie beside the text encoder") {
  const Scratch scratch;
  for (const char* folder : {"text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "encoder"})
    std::filesystem::create_directory(scratch / folder);
  const auto refused = [&](const std::filesystem::path& path) {
    return message_of<io_error>([&] { load_tokenizer(path); });
  };
  CHECK(says(refused(scratch.path()), "is a pipeline", "give '" + (scratch / "text_encoder").string() + "'"));
  const std::string none = refused(scratch / "text_encoder");
  CHECK(says(none, "in '" + (scratch / "text_encoder").string() + "' or '" + (scratch / "tokenizer").string() + "'",
             "copy that of the model there"));
  put(scratch / "tokenizer/vocab.txt", "[PAD]\n");
  CHECK(says(refused(scratch / "text_encoder"), "found '" + (scratch / "tokenizer/vocab.txt").string() + "'",
             "make a tokenizer.json", "save_pretrained"));
  std::filesystem::copy_file(tokenizers / "wordpiece.json", scratch / "tokenizer/tokenizer.json");
  std::filesystem::copy_file(tokenizers / "unigram.model", scratch / "tokenizer_2/spiece.model");
  check_golden(*load_tokenizer(scratch / "text_encoder"), "wordpiece");
  check_golden(*load_tokenizer((scratch / "text_encoder_2/").string()), "unigram");
  CHECK_FALSE(refused(scratch / "encoder").empty());
  std::filesystem::copy_file(tokenizers / "smollm.json", scratch / "text_encoder/tokenizer.json");
  check_golden(*load_tokenizer(scratch / "text_encoder"), "smollm");  // its own counts more
}

TEST_CASE("files that are no tokenizer") {
  const Scratch scratch;
  CHECK_THROWS_AS(load_tokenizer(scratch / "none.gguf"), io_error);
  CHECK_THROWS_AS(load_tokenizer(scratch / "none.json"), io_error);
  CHECK(says(
      message_of<format_error>([&] { load_tokenizer(put(scratch / "t.json", R"({"model": {"type": "Unigram"}})")); }),
      "put the spiece.model"));
  CHECK_THROWS_AS(load_tokenizer(put(scratch / "t.json", "{}")), format_error);
}
