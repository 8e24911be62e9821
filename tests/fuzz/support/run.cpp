// SPDX-License-Identifier: MIT
// Runs a target without libFuzzer:
//   fuzz_<target> CORPUS SECONDS [NUMBER [MOST]]   the files of a folder, then at MOST those mutated from them, from
//                                                  NUMBER (1) on
//   fuzz_<target> FILE                             one file, such as one that failed
// An input that fails is kept as <target>-failed. Twenty seconds of CPU, or 2 GB, are too much for any input.
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <memory>

#include <sanitizer/common_interface_defs.h>

#include <tests/fuzz/support/corpus.hpp>
#include <tests/fuzz/support/mutate.hpp>
#include <tests/fuzz/support/target.hpp>

extern "C" const char* __asan_default_options() { return "max_allocation_size_mb=1024:hard_rss_limit_mb=2048"; }

namespace {

using namespace modelgrow::testing;

const std::string* now = nullptr;  // the input that is being read
std::string kept_as;

void keep() {
  if (!now) return;
  std::ofstream(kept_as, std::ios::binary) << *std::exchange(now, nullptr);
  std::fprintf(stderr, "the input that failed is kept as %s\n", kept_as.c_str());
}
void keep_and_end(int signal) {
  std::fprintf(stderr, signal == SIGVTALRM ? "an input took more than 20 s of CPU\n" : "aborted\n");
  keep();
  ::_exit(1);
}

/// Seconds of CPU that the input took.
double run(const std::string& input) {
  const itimerval limit{.it_interval = {}, .it_value = {.tv_sec = 20, .tv_usec = 0}};
  ::setitimer(ITIMER_VIRTUAL, &limit, nullptr);
  now = &input;
  const auto begin = std::clock();
  const std::unique_ptr<std::uint8_t[]> bytes(new std::uint8_t[input.size()]);  // one byte too far is found
  std::copy(input.begin(), input.end(), bytes.get());
  LLVMFuzzerTestOneInput(bytes.get(), input.size());
  now = nullptr;
  return double(std::clock() - begin) / CLOCKS_PER_SEC;
}

}  // namespace

int main(int argc, char** argv) {
  const std::filesystem::path program = argv[0], corpus_path = argc > 1 ? argv[1] : "";
  kept_as = program.filename().string() + "-failed";
  ::__sanitizer_set_death_callback(keep);
  for (const int s : {SIGABRT, SIGVTALRM}) ::signal(s, keep_and_end);
  if (argc == 2) {
    std::ifstream in(corpus_path, std::ios::binary);
    run({std::istreambuf_iterator<char>(in), {}});
    return 0;
  }
  if (argc < 3) return std::fprintf(stderr, "%s CORPUS SECONDS [NUMBER [MOST]], or %s FILE\n", argv[0], argv[0]), 2;
  const auto corpus = read_corpus(corpus_path);
  for (const auto& file : corpus) run(file);
  const auto whole = inputs_read;
  const std::uint64_t first = argc > 3 ? std::stoull(argv[3]) : 1, most = argc > 4 ? std::stoull(argv[4]) : UINT64_MAX;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(std::stoi(argv[2]));
  std::uint64_t n = 0;
  double slowest = 0;
  for (; n < most && std::chrono::steady_clock::now() < end; ++n)
    slowest = std::max(slowest, run(mutated(corpus, first + n)));
  std::printf("%s: %zu files, %llu read; %llu mutated files, %llu read, none failed; the slowest took %.2f s\n",
              program.filename().c_str(), corpus.size(), (unsigned long long)whole, (unsigned long long)n,
              (unsigned long long)(inputs_read - whole), slowest);
  return inputs_read > whole ? 0 : 1;
}
