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
#include <modelgrow/detail/json.hpp>
#include <modelgrow/text.hpp>
#include <span>

namespace mg = modelgrow;

namespace {

mg::detail::json measure(const std::filesystem::path& path, const std::vector<std::string>& captions, int rounds) {
  const auto model = mg::PromptEncoder<mg::Cpu>::open(path);
  const auto tokenizer = mg::load_tokenizer(path);
  const auto encode = [&](std::span<const std::string> some) {
    mg::PackedPrompts prompts;
    for (const auto& caption : some) prompts.add(tokenizer->encode(caption).ids);
    const auto states = model.encode(prompts);
    return prompts.tokens();
  };
  encode(std::span(captions).first(std::min<std::size_t>(200, captions.size())));  // maps the file
  std::vector<double> seconds;
  std::int64_t tokens = 0;
  for (int i = 0; i < rounds; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    tokens = encode(captions);
    seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::ranges::sort(seconds);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto file = std::filesystem::is_regular_file(path) ? std::filesystem::file_size(path) : 0;
  return {{"program", std::string("modelgrow")},
          {"captions", captions.size()},
          {"tokens", tokens},
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
