// SPDX-License-Identifier: MIT
// Writes mutated files, each behind its length (u64), for another reader to judge: write_mutated CORPUS NUMBER OF
// FILES.
#include <iostream>

#include <tests/fuzz/support/corpus.hpp>
#include <tests/fuzz/support/mutate.hpp>

int main(int argc, char** argv) {
  if (argc != 3) return std::cerr << "write_mutated CORPUS NUMBER\n", 2;
  const auto corpus = modelgrow::testing::read_corpus(argv[1]);
  for (std::uint64_t i = 0, n = std::stoull(argv[2]); i < n; ++i) {
    const std::string bytes = modelgrow::testing::mutated(corpus, i);
    const std::uint64_t length = bytes.size();
    std::cout.write(reinterpret_cast<const char*>(&length), sizeof length) << bytes;
  }
}
