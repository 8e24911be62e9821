// SPDX-License-Identifier: MIT
// Growth of a checkpoint of released size, as the user of a download sees it: names and shapes of a release with random
// bf16 weights, planned, written, checked against its source and read back. bench_released_growth FOLDER [RELEASE]
// writes into FOLDER (twice the model and more), prints a line of JSON, and leaves `in` and `out` there.
#include <chrono>
#include <fstream>
#include <iostream>

#include <modelgrow/checkpoint/shards.hpp>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/expand.hpp>
#include <modelgrow/grow/check_grown.hpp>
#include <tests/support/releases.hpp>

namespace mg = modelgrow;
namespace fs = std::filesystem;

namespace {

double seconds_of(auto&& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Memory of this process that is not a mapped file, in bytes; 0 where the system does not tell.
std::uint64_t private_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (std::uint64_t kb = 0; word == "RssAnon:" && status >> kb) return kb * 1024;
  return 0;
}

mg::testing::Release release(const std::string& name) {
  for (const auto& r : mg::testing::releases())
    if (r.name == name) return r;
  throw mg::option_error("there is no release '" + name + "' in tests/families/releases");
}

/// Uniform random weights of small size. They are all finite.
void write_random(const fs::path& folder, const mg::testing::Release& r) {
  fs::create_directories(folder);
  mg::CheckpointWriter writer(folder / "diffusion_pytorch_model.safetensors", r.tensors, {},
                              {.shard_bytes = 5'000'000'000});
  for (const auto& t : r.tensors) {
    const mg::Rng rng(1, mg::hash_name(t.name));
    std::vector<mg::bf16> values(std::size_t(mg::numel(t.shape)));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = mg::bf16(float(rng.uniform(i)) * 0.1F - 0.05F);
    writer.write(t.name, std::as_bytes(std::span(values)));
  }
  writer.commit();
  mg::detail::write_file(folder / "config.json", r.config);
}

mg::detail::json measure(const fs::path& folder, const std::string& name) {
  const auto r = release(name);
  const fs::path source = folder / "in", target = folder / "out";
  if (!fs::exists(source / "config.json")) write_random(source, r);
  std::uint64_t peak = 0;
  const auto watch = [&](const mg::ProgressReport&) { peak = std::max(peak, private_bytes()); };
  std::optional<mg::Checkpoint> in;
  std::optional<mg::Plan> plan;
  std::string text;
  const double planning = seconds_of([&] {
    in = mg::Checkpoint::open(source);
    plan = mg::plan(*in, mg::InsertBlocks{.every = 1}, mg::Net2Wider{.space = "ffn", .to = 12288, .noise_db = 20});
    text = mg::to_string(*plan);
  });
  std::cerr << text.substr(0, 1500) << "..\n";
  mg::Report report;
  const double growing =
      seconds_of([&] { report = plan->write(*in, target, {.existing = mg::Existing::replace, .progress = watch}); });
  mg::GrownCheck again;
  const double checking =
      seconds_of([&] { again = mg::check_grown(mg::Checkpoint::open(target), *in, mg::schema(*in)); });
  return {{"release", name},
          {"parameters", {report.parameters_before, report.parameters_after}},
          {"bytes", {report.bytes_before, report.bytes_after}},
          {"certificate", mg::to_string(report.certificate)},
          {"read_back", report.read_back},
          {"max_residual", report.max_residual},
          {"worst", report.worst},
          {"checked", {report.checked, again.tensors}},
          {"seconds",
           {{"open, plan and print", planning},
            {"write", report.seconds.write},
            {"check and read back", report.seconds.check},
            {"grow", growing},
            {"check again", checking}}},
          {"private_bytes_peak", peak}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::cerr << "usage: bench_released_growth FOLDER [RELEASE]\n";
    return 2;
  }
  try {
    std::cout << measure(argv[1], argc > 2 ? argv[2] : "Wan-AI/Wan2.1-T2V-1.3B").dump() << std::endl;
    return 0;
  } catch (const std::exception& e) {
    std::cerr << "bench_released_growth: " << e.what() << std::endl;
    return 1;
  }
}
