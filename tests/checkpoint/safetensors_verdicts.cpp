// SPDX-License-Identifier: MIT
// 10,000 mutated files are read or refused as the reference package reads or refuses them, and refused for the same
// reason. What we refuse on purpose beyond it is counted. scripts/safetensors-verdicts asks the package.
#include <array>
#include <fstream>
#include <map>
#include <modelgrow/checkpoint/safetensors.hpp>
#include <tests/fuzz/support/corpus.hpp>
#include <tests/fuzz/support/mutate.hpp>
#include <tests/support/catch.hpp>
#include <tests/support/memory_file.hpp>
#include <tests/support/message.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

/// What the package said: a letter for each file, '.' where it read it, '?' where the reason is another in every run.
struct Verdicts {
  std::string head, letters;
};
Verdicts read_verdicts() {
  std::ifstream in(MODELGROW_SOURCE_DIR "/tests/golden/safetensors_verdicts.txt");
  Verdicts v;
  std::getline(in, v.head);
  for (std::string line; std::getline(in, line);) v.letters += line;
  return v;
}

/// CRC-32 as zlib has it.
std::uint32_t checksum(const std::vector<std::string>& files) {
  std::uint32_t crc = ~0u;
  for (const auto& file : files)
    for (const char c : file) {
      crc ^= std::uint8_t(c);
      for (int k = 0; k < 8; ++k) crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320u : 0);
    }
  return ~crc;
}

/// The letter of a refusal.
char letter_of(const std::string& message) {
  constexpr std::pair<std::string_view, char> names[] = {
      {"HeaderTooSmall", 'S'},     {"HeaderTooLarge", 'L'},          {"InvalidHeaderLength", 'N'},
      {"InvalidHeader", 'U'},      {"InvalidOffset", 'O'},           {"InvalidHeaderDeserialization", 'J'},
      {"ValidationOverflow", 'V'}, {"MisalignedSlice", 'M'},         {"TensorInvalidInfo", 'T'},
      {"UnsupportedRank", 'R'},    {"MetadataIncompleteBuffer", 'B'}};
  for (const auto& [name, letter] : names)
    if (says(message, ": " + std::string(name) + ": ")) return letter;
  return '!';
}

/// Why we refuse what the package reads.
std::string_view stricter_rule(const std::string& message) {
  for (const auto* rule : {"twice", "nested deeper than 64", "at most 8", "over 2^63"})
    if (says(message, rule)) return rule;
  return "";
}

}  // namespace

TEST_CASE("mutated files are judged as by the reference package") {
  const auto corpus = read_corpus(MODELGROW_SOURCE_DIR "/tests/fuzz/corpus/safetensors");
  const auto verdicts = read_verdicts();
  REQUIRE(verdicts.letters.size() == 10000);
  std::vector<std::string> files;
  for (std::size_t i = 0; i < verdicts.letters.size(); ++i) files.push_back(mutated(corpus, i));
  char sum[9];
  std::snprintf(sum, sizeof sum, "%08x", checksum(files));
  INFO("other files than were judged: run scripts/safetensors-verdicts");
  REQUIRE(verdicts.head == "safetensors 0.8.0 " + std::string(sum));

  std::map<std::string_view, int> stricter;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const char theirs = verdicts.letters[i];
    const MemoryFile file(files[i]);
    const std::string refusal = message_of<format_error>([&] { Safetensors::open(file.path()); });
    const char ours = refusal.empty() ? '.' : letter_of(refusal);
    if (ours == theirs || (theirs == '?' && ours != '.')) continue;
    const auto rule = stricter_rule(refusal);
    INFO("file " << i << " of the reference '" << theirs << "', ours '" << ours << "': " << refusal);
    CHECK(!rule.empty());
    ++stricter[rule];
  }
  const std::map<std::string_view, int> expected{
      {"twice", 3}, {"nested deeper than 64", 2}, {"at most 8", 1}, {"over 2^63", 1}};
  CHECK(stricter == expected);
}
