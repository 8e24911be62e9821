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

TEST_CASE("files that are no tokenizer") {
  const Scratch scratch;
  CHECK_THROWS_AS(load_tokenizer(scratch / "none.gguf"), io_error);
  CHECK_THROWS_AS(load_tokenizer(scratch / "none.json"), io_error);
  CHECK(says(
      message_of<format_error>([&] { load_tokenizer(put(scratch / "t.json", R"({"model": {"type": "Unigram"}})")); }),
      "put the spiece.model"));
  CHECK_THROWS_AS(load_tokenizer(put(scratch / "t.json", "{}")), format_error);
}
