// SPDX-License-Identifier: MIT
// Captions to hidden states (tokens included) of a language model, as benchmarks/peers/bench_encode.py times it in
// llama.cpp and transformers: bench_llm MODEL CAPTIONS [ROUNDS] reads one caption a line and prints one line of JSON.
#include <omp.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <modelgrow/text.hpp>

namespace mg = modelgrow;

namespace {

mg::detail::json measure(const std::filesystem::path& path, const std::vector<std::string>& captions, int rounds) {
  const auto model = mg::PromptEncoder<mg::Cpu>::open(path);
  const auto tokenizer = mg::load_tokenizer(path);
  std::vector<double> seconds;
  mg::PackedPrompts prompts;
  for (int i = 0; i < 1 + rounds; ++i) {  // the first one maps the file
    const auto begin = std::chrono::steady_clock::now();
    prompts = {};
    for (const auto& caption : captions) prompts.add(tokenizer->encode(caption).ids);
    const auto states = model.encode(prompts);
    if (i > 0) seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::ranges::sort(seconds);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto file = std::filesystem::is_regular_file(path) ? std::filesystem::file_size(path) : 0;
  return {{"program", std::string("modelgrow")},
          {"captions", captions.size()},
          {"tokens", prompts.tokens()},
          {"median_s", seconds[seconds.size() / 2]},
          {"peak_rss_mb", double(usage.ru_maxrss) / 1024},
          {"file_mb", double(file) / (1 << 20)},
          {"threads", omp_get_max_threads()}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: bench_llm MODEL CAPTIONS [ROUNDS]" << std::endl;
    return 2;
  }
  try {
    std::ifstream file(argv[2]);
    std::vector<std::string> captions;
    for (std::string line; std::getline(file, line);)
      if (!line.empty()) captions.push_back(line);
    if (captions.empty()) throw mg::io_error(std::string(argv[2]) + ": there are no captions");
    std::cout << measure(argv[1], captions, argc > 3 ? std::max(1, std::stoi(argv[3])) : 3).dump() << std::endl;
  } catch (const std::exception& e) {
    std::cerr << "bench_llm: " << e.what() << std::endl;
    return 1;
  }
}
