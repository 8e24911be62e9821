// SPDX-License-Identifier: MIT
// What kernels ask of memory beyond the bytes they need: sectors of global memory over those that the bytes would fill,
// and passes over the banks of shared memory that two words of one bank cost, against docs/kernels/traffic.csv, which
// may only fall.
#include <array>
#include <cstdio>
#include <fstream>
#include <map>

#include "tests/cuda_on_host/support/interpreted.hpp"
#include "tests/cuda_on_host/support/kernel_name.hpp"
#include "tests/support/catch.hpp"

using namespace modelgrow;

namespace {

const std::string table_path = MODELGROW_SOURCE_DIR "/docs/kernels/traffic.csv";

struct Traffic {
  double sectors = 0, conflicts = 0;
};
/// Of all kernels that were launched; of several launches of one the worst.
std::map<std::string, Traffic>& seen() {
  static std::map<std::string, Traffic> seen;
  return seen;
}
struct TrafficExecutor : kernels::PtxExecutor {
  template <class Kernel>
  static void launch(const Kernel& kernel) {
    kernels::PtxExecutor::launch(kernel);
    const auto& found = Interpreted::machine().traffic();
    Traffic& worst = seen()[kernels::name_of<Kernel>()];
    worst = {std::max(worst.sectors, found.sectors_of_ideal()), std::max(worst.conflicts, found.conflicts())};
  }
};
using B = kernels::Operations<TrafficExecutor>;

template <class T>
struct Memory {
  Tensor<T, Interpreted> values;
  explicit Memory(std::int64_t n) : values(Tensor<T, Interpreted>::zeros({n})) {}
  operator T*() const { return values.data(); }
};

void run_attention(std::int64_t dim, std::int64_t queries, std::int64_t keys) {
  constexpr std::int64_t heads = 2;
  const std::int64_t width = heads * dim;
  const AttentionSize::Strides q{queries * width, 0, width}, kv{keys * 2 * width, 0, 2 * width};
  const AttentionSize size{1, 1, queries, keys, heads, dim, q, kv, q};
  const Memory<bf16> x(queries * width), text(keys * 2 * width), out(queries * width), dout(queries * width),
      dx(queries * width), dtext(keys * 2 * width);
  const Memory<float> lse(heads * queries);
  B::attention<bf16>(size, nullptr, x, text, text + width, out, lse);
  B::attention_dx<bf16>(size, nullptr, x, text, text + width, out, lse, dout, dx, dtext, dtext + width);
}
void run_temporal_attention() {
  constexpr std::int64_t frames = 16, positions = 2, dim = 72, width = 2 * dim;
  constexpr AttentionSize::Strides qkv{0, 3 * width, positions * 3 * width}, out{0, width, positions * width};
  constexpr AttentionSize size{1, positions, frames, frames, 2, dim, qkv, qkv, out};
  const Memory<bf16> x(frames * positions * 3 * width), y(frames * positions * width), dy(frames * positions * width),
      dx(frames * positions * 3 * width);
  const Memory<float> lse(2 * positions * frames);
  B::attention<bf16>(size, nullptr, x, x + width, x + 2 * width, y, lse);
  B::attention_dx<bf16>(size, nullptr, x, x + width, x + 2 * width, y, lse, dy, dx, dx + width, dx + 2 * width);
}
void run_convolutions() {
  using Kind = TemporalConvSize::Kind;
  for (const Kind kind : {Kind::depthwise, Kind::dense}) {
    constexpr std::int64_t channels = 128, values = 4 * 40 * channels;
    const TemporalConvSize size{1, 4, 40, channels, channels, 3, -1, kind};
    const std::int64_t weights = 3 * channels * (kind == Kind::dense ? channels : 1);
    const Memory<bf16> x(values), w(weights), b(channels), y(values), dx(values);
    const Memory<float> dw(weights), db(channels);
    B::temporal_conv<bf16>(size, x, w, b, y);
    B::temporal_conv_dx<bf16>(size, y, x, w, dx, dw, db);
  }
}
void run_memory_bound() {
  constexpr std::int64_t tokens = 64, channels = 1152, n = tokens * channels;
  constexpr ModulateSize size{1, tokens, channels, 6};
  const Memory<bf16> x(n), y(n), z(n), m(6 * channels);
  const Memory<float> mean(tokens), rstd(tokens), dm(6 * channels), sums(n);
  B::add<bf16>(n, x, y, z);
  B::add_table<bf16>(1, tokens, 1, channels, x, y, z);
  B::activation<bf16>(Activation::gelu_tanh, n, x, y);
  B::activation_dx<bf16>(Activation::gelu_tanh, n, x, y, z);
  B::narrow<bf16>(n, sums, y);
  B::collect<bf16>(n, x, sums);
  B::gate_residual<bf16>(size, x, y, m, 2, z);
  B::gate_residual_dx<bf16>(size, x, m, 2, y, z, dm);
  B::norm_modulate<bf16>(size, 1e-6, x, m, 0, 1, y, mean, rstd);
  B::residual_norm_modulate<bf16>(size, 1e-6, x, y, m, 2, 0, 1, z, y, mean, rstd);
  B::norm_modulate_dx<bf16>(size, x, m, 0, 1, mean, rstd, y, z, Write::overwrite, dm);
  bf16* const table = m;
  float* const dtable = dm;
  B::modulation<bf16>({1, 0, channels, 6}, channels, std::span<const bf16* const>(std::array<const bf16*, 1>{table}), x,
                      y);
  B::modulation_dx<bf16>({1, 0, channels, 6}, channels, y, std::span<float* const>(&dtable, 1), x, Write::overwrite);
}
void run_optimizer() {
  constexpr std::int64_t n = 16384;
  const Memory<bf16> w(n);
  const Memory<float> master(n), gradient(n), first(n), second(n), average(n), scale(1);
  const Memory<double> sum(1);
  const std::span<const float> values(gradient.values.data(), std::size_t(n));
  B::sum_of_squares<bf16>({&values, 1}, sum);
  const AdamWUpdate<bf16> update{.lr = 1e-4,
                                 .eps = 1e-8,
                                 .decay = 1e-6,
                                 .correction1 = 0.1,
                                 .correction2 = 0.001,
                                 .rows = 1,
                                 .columns = n,
                                 .lr_columns = nullptr,
                                 .eps_rows = nullptr,
                                 .w = w,
                                 .master = master,
                                 .gradient = gradient,
                                 .m = first,
                                 .v = second,
                                 .average = average};
  B::adamw<bf16>({.beta1 = 0.9, .beta2 = 0.999, .average_rate = 0.001}, scale, {&update, 1});
}

using Table = std::map<std::string, Traffic>;
const Table& measured() {
  Interpreted::machine().configure({.most_blocks = 4, .traffic = true});
  seen().clear();
  for (const std::int64_t dim : {64, 72, 96, 128}) run_attention(dim, 128, 192);
  run_attention(72, 512, 120);  // to text: queries in parts
  run_temporal_attention();
  run_convolutions();
  run_memory_bound();
  run_optimizer();
  Interpreted::machine().configure({});
  return seen();
}

std::string text_of(const Table& table) {
  std::string text = "kernel,sectors of ideal,bank conflicts\n";
  for (const auto& [name, found] : table) {
    char line[200];
    std::snprintf(line, sizeof line, "\"%s\",%.2f,%.2f\n", name.c_str(), found.sectors, found.conflicts);
    text += line;
  }
  return text;
}
Table committed() {
  Table table;
  std::ifstream file(table_path);
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    const auto end = line.rfind('"');
    Traffic& row = table[line.substr(1, end - 1)];
    REQUIRE(std::sscanf(line.c_str() + end + 1, ",%lf,%lf", &row.sectors, &row.conflicts) == 2);
  }
  return table;
}

ptx::Traffic of(bool shared, std::uint64_t stride, int bytes, int lanes = 32) {
  ptx::Traffic traffic;
  for (int lane = 0; lane < lanes; ++lane)
    traffic.note({.warp = 0, .instruction = 0, .time = 0, .shared = shared},
                 {.lane = lane, .at = 4096 + std::uint64_t(lane) * stride, .bytes = bytes});
  traffic.settle();
  return traffic;
}

}  // namespace

TEST_CASE("sectors and passes over banks are counted as the hardware has them") {
  CHECK(of(false, 4, 4).sectors_of_ideal() == 1);    // neighbours
  CHECK(of(false, 8, 4).sectors_of_ideal() == 2);    // every second
  CHECK(of(false, 128, 4).sectors_of_ideal() == 8);  // a sector each
  CHECK(of(false, 0, 4).sectors_of_ideal() == 1);    // one for all
  CHECK(of(false, 16, 16).sectors_of_ideal() == 1);
  CHECK(of(false, 2, 2, 9).sectors_of_ideal() == 1);
  CHECK(of(true, 4, 4).conflicts() == 0);
  CHECK(of(true, 0, 4).conflicts() == 0);     // read once for all
  CHECK(of(true, 2, 2).conflicts() == 0);     // two of a word
  CHECK(of(true, 8, 4).conflicts() == 1);     // two words of every second bank
  CHECK(of(true, 128, 4).conflicts() == 31);  // all in one bank
  CHECK(of(true, 132, 4).conflicts() == 0);   // padded
  CHECK(of(true, 8, 8).conflicts() == 0);     // in two passes
  CHECK(of(true, 16, 16).conflicts() == 0);   // in four
  CHECK(of(true, 144, 16).conflicts() == 0);  // rows of nine chunks
  CHECK(of(true, 128, 16).conflicts() == 7);  // of eight
  ptx::Traffic rows;
  for (const std::uint64_t stride : {144, 128}) {
    std::array<ptx::Traffic::Access, 8> matrix;
    for (int r = 0; r < 8; ++r) matrix[std::size_t(r)] = {.lane = r, .at = std::uint64_t(r) * stride, .bytes = 16};
    rows.note_rows(matrix);
  }
  CHECK(rows.conflicts() == 3.5);  // none, and seven
}

TEST_CASE("lanes that come to an instruction for the same time are seen together, others apart") {
  ptx::Traffic traffic;
  for (const int time : {0, 1})
    for (int lane = 0; lane < 32; ++lane)
      traffic.note({.warp = 0, .instruction = 0, .time = time, .shared = false},
                   {.lane = lane, .at = 4096 + std::uint64_t(4 * lane + 2 * time), .bytes = 2});
  traffic.settle();
  CHECK(traffic.sectors_of_ideal() == 2);
}

TEST_CASE("kernels ask of memory no more than the committed table says") {
  INFO("another table: bin/test_cuda_on_ptx '[.write_traffic]', and commit docs/kernels/traffic.csv");
  constexpr double slack = 0.05;  // of another nvcc
  const Table now = measured(), then = committed();
  for (const auto& [name, found] : now) {
    CAPTURE(name);
    REQUIRE(then.contains(name));
    CHECK(found.sectors <= then.at(name).sectors + slack);
    CHECK(found.conflicts <= then.at(name).conflicts + slack);
  }
  CHECK(now.size() == then.size());
}

TEST_CASE("write the table of traffic", "[.write_traffic]") { std::ofstream(table_path) << text_of(measured()); }
