// SPDX-License-Identifier: MIT
// Where kernels read and write when tensors have more than 2^31 values, which no index of 32 bits reaches: the maps
// against coordinates, and single elements of kernels on memory that is there only where it is touched.
#include <algorithm>
#include <vector>

#include <modelgrow/backend/cuda/attention_tiles.hpp>
#include <modelgrow/backend/cuda/modulate.hpp>
#include <modelgrow/backend/cuda/patches.hpp>
#include <modelgrow/backend/cuda/temporal_attention_dx.hpp>
#include <modelgrow/backend/cuda/temporal_conv.hpp>

#include "tests/cuda_on_host/support/emulator.hpp"
#include "tests/cuda_on_host/support/sparse.hpp"
#include "tests/support/catch.hpp"

using namespace modelgrow;
using emulator::Sparse;
using kernels::Index;

namespace {

constexpr Index most_of_32_bits = (Index{1} << 31) - 1;

/// A thread of a huge grid; only its place and its arithmetic are used.
struct GridThread : emulator::HostThread {
  static emulator::Machine& machine() {
    static emulator::Machine machine;
    return machine;
  }
  GridThread(Index block = 0, Index blocks = 1, unsigned thread = 0)
      : HostThread(machine()), block_(block), blocks_(blocks), thread_(thread) {}
  unsigned thread() const { return thread_; }
  Index block() const { return block_; }
  Index blocks() const { return blocks_; }

 private:
  Index block_, blocks_;
  unsigned thread_;
};

/// x[batch, frames, space, channels] with 4.8e9 values.
constexpr Index batch = 16, frames = 64, space = 4096, channels = 1152, all = batch * frames * space * channels;
static_assert(all > 2 * most_of_32_bits);

struct Position {
  Index b, f, s, c;
  Index index() const { return ((b * frames + f) * space + s) * channels + c; }
};
/// Corners, and both sides of 2^31.
std::vector<Position> positions() {
  std::vector<Position> at{{0, 0, 0, 0}, {batch - 1, frames - 1, space - 1, channels - 1}, {9, 33, 4095, 7}};
  for (const Index i : {most_of_32_bits, most_of_32_bits + 1, 2 * most_of_32_bits + 2})
    at.push_back(
        {i / (channels * space * frames), i / (channels * space) % frames, i / channels % space, i % channels});
  return at;
}

}  // namespace

TEST_CASE("positions are what their names say") {
  for (const Position& at : positions()) CHECK((at.index() >= 0 && at.index() < all));
  CHECK(positions()[3].index() == most_of_32_bits);
}

TEST_CASE("200,000 attention problems in more than 2^31 values are found") {
  constexpr Index heads = 16, head_dim = 72, width = heads * head_dim, groups = 3125, tokens = 16;
  constexpr AttentionSize::Strides time{tokens * groups * 3 * width, 3 * width, groups * 3 * width};
  const AttentionSize s{.batch = 4,
                        .groups = groups,
                        .queries = tokens,
                        .keys = tokens,
                        .heads = heads,
                        .head_dim = head_dim,
                        .q = time,
                        .kv = {1 << 30, 3 * width, groups * 3 * width},
                        .out = time};
  REQUIRE(kernels::attention_problems(s) == 200000);
  Index number = 0, wrong = 0, largest = 0;
  for (Index b = 0; b < s.batch; ++b)
    for (Index g = 0; g < s.groups; ++g)
      for (Index h = 0; h < s.heads; ++h, ++number) {
        const auto problem = kernels::AttentionProblem::of(s, number);
        const Index offset = problem.offset(s, s.kv);
        largest = std::max(largest, offset);
        wrong += problem.batch != b || problem.group != g || problem.head != h || problem.number != number;
        wrong += offset != (b << 30) + g * 3456 + h * 72;
      }
  CHECK(wrong == 0);
  CHECK(largest > most_of_32_bits);
  CHECK(kernels::AttentionProblem::of(s, 199999).offset(s, s.q) == 3 * time.batch + 3124 * time.group + 15 * 72);
}

namespace {

/// One row of a kernel, done by a warp.
template <class Row>
struct OneRow {
  static constexpr int threads = kernels::warp_size;
  using Shared = kernels::NoShared;
  Index number;
  Row row;
  Index blocks() const { return 1; }
  template <class Dev>
  void operator()(Dev dev, Shared&) const {
    row(dev, number);
  }
};
template <class Row>
void run_row(Index number, const Row& row) {
  emulator::Machine machine;
  machine.launch(OneRow<Row>{.number = number, .row = row});
}

/// 65,537 batch entries of 16 tokens, 2^32 values from the first to the last.
constexpr Index entries = 65537, entry_stride = 65544, tokens = 16, width = 64, last = entries - 1;
static_assert(last * entry_stride > 2 * most_of_32_bits);
constexpr AttentionSize::Strides entry_strides{.batch = entry_stride, .group = 0, .token = width};
constexpr AttentionSize many_entries{.batch = entries,
                                     .groups = 1,
                                     .queries = tokens,
                                     .keys = tokens,
                                     .heads = 1,
                                     .head_dim = width,
                                     .q = entry_strides,
                                     .kv = entry_strides,
                                     .out = entry_strides};
constexpr Index most_values = last * entry_stride + tokens * width;

/// Gives the first and the last entry the same values.
void fill(const Sparse<bf16>& x, int stream) {
  for (Index i = 0; i < tokens * width; ++i)
    for (const Index b : {Index(0), last})
      x.data()[b * entry_stride + i] = bf16(float((i * 7919 + stream * 31) % 17 - 8) / 8);
}
/// Whether both entries hold the same, and not nothing.
bool same(const Sparse<bf16>& x) {
  const bf16* a = x.data();
  return std::equal(a, a + tokens * width, a + last * entry_stride) &&
         std::any_of(a, a + tokens * width, [](bf16 v) { return v.bits != 0; });
}

}  // namespace

TEST_CASE("batch entry 65,536 attends to itself, more than 2^32 values away") {
  const Sparse<bf16> q(most_values), k(most_values), v(most_values), out(most_values);
  const Sparse<float> lse(entries * tokens);
  fill(q, 1);
  fill(k, 2);
  fill(v, 3);
  for (const Index number : {Index(0), last})
    run_row(number, kernels::TemporalAttention<width, 1>{.size = many_entries,
                                                         .scale = 0.125f,
                                                         .lengths = nullptr,
                                                         .q = q.data(),
                                                         .k = k.data(),
                                                         .v = v.data(),
                                                         .out = out.data(),
                                                         .lse = lse.data()});
  CHECK(same(out));
  CHECK((lse.data()[0] != 0 && lse.data()[0] == lse.data()[last * tokens]));

  const Sparse<bf16> dout(most_values), dq(most_values), dk(most_values), dv(most_values);
  fill(dout, 4);
  for (const Index number : {Index(0), last})
    run_row(number, kernels::TemporalAttentionDx<width, 1>{.size = many_entries,
                                                           .scale = 0.125f,
                                                           .lengths = nullptr,
                                                           .q = q.data(),
                                                           .k = k.data(),
                                                           .v = v.data(),
                                                           .out = out.data(),
                                                           .dout = dout.data(),
                                                           .lse = lse.data(),
                                                           .dq = dq.data(),
                                                           .dk = dk.data(),
                                                           .dv = dv.data()});
  CHECK((same(dq) && same(dk) && same(dv)));
}

TEST_CASE("patches of clips of more than 2^31 values are a permutation that agrees with coordinates") {
  const PatchSize s{.batch = 40, .channels = 16, .frames = 120, .height = 256, .width = 256, .pt = 2, .ph = 4, .pw = 2};
  REQUIRE(s.batch * s.channels * s.frames * s.height * s.width > 2 * most_of_32_bits);
  const Index rows = s.height / s.ph, columns = s.width / s.pw;
  Index wrong = 0, largest = 0;
  for (const Index b : {Index(0), s.batch - 1})
    for (const Index frame : {Index(0), s.frames - 1})
      for (const Index y : {Index(0), Index(133), s.height - 1})
        for (const Index x : {Index(0), Index(77), s.width - 1})
          for (const Index c : {Index(0), s.channels - 1}) {
            const Index patch = ((b * (s.frames / s.pt) + frame / s.pt) * rows + y / s.ph) * columns + x / s.pw;
            const Index dt = frame % s.pt, dy = y % s.ph, dx = x % s.pw;
            const Index first = patch * 256 + ((c * s.pt + dt) * s.ph + dy) * s.pw + dx;
            const Index last = patch * 256 + ((dt * s.ph + dy) * s.pw + dx) * s.channels + c;
            const Index clip = (((b * s.channels + c) * s.frames + frame) * s.height + y) * s.width + x;
            wrong += kernels::clip_index(s, PatchOrder::channels_first, first) != clip;
            wrong += kernels::clip_index(s, PatchOrder::channels_last, last) != clip;
            largest = std::max({largest, first, last, clip});
          }
  CHECK(wrong == 0);
  CHECK(largest > 2 * most_of_32_bits);
}

TEST_CASE("temporal convolutions of more than 2^31 values find their neighbours") {
  using Kind = TemporalConvSize::Kind;
  const TemporalConvSize s{batch, frames, space, channels, channels, 3, -2, Kind::depthwise};
  const Sparse<bf16> x(all), y(all), w(channels * 3);
  for (Index i = 0; i < channels * 3; ++i) w.data()[i] = bf16(float(1 + i % 3));
  for (const Position& at : positions()) {
    const auto found = kernels::FramePosition::of(s, channels, at.index());
    CHECK((found.frame == at.f && found.channel == at.c && found.frame_stride == space * channels));
    float expected = 0;
    for (Index tap = 0; tap < 3; ++tap) {
      const Position source{at.b, at.f - 2 + tap, at.s, at.c};
      if (source.f < 0) continue;
      x.data()[source.index()] = bf16(float(5 + tap));
      expected += float(1 + tap) * float(5 + tap);
    }
    kernels::DepthwiseConv<bf16>{.size = s,
                                 .direction = kernels::ConvDirection::forward,
                                 .x = x.data(),
                                 .w = w.data(),
                                 .b = nullptr,
                                 .y = y.data()}(GridThread(), at.index());
    CHECK(float(y.data()[at.index()]) == expected);
    const Sparse<bf16> columns(all);
    const kernels::SlidingConv<bf16, 3> sliding{
        .size = kernels::ColumnSize::of<bf16>(s), .x = x.data(), .w = w.data(), .b = nullptr, .y = columns.data()};
    sliding(GridThread(), (at.b * space + at.s) * (channels / 8) + at.c / 8);
    CHECK(float(columns.data()[at.index()]) == expected);
    const kernels::DepthwiseTapTerm<bf16> term{.size = s, .dy = x.data(), .x = x.data()};
    const float own = float(x.data()[at.index()]), before = at.f == 0 ? 0.0f : 6.0f;
    CHECK(term(GridThread(), 1, at.index() / channels, at.c, kernels::Count<1>{}).at[0] == own * before);
  }
}

TEST_CASE("gradients of depthwise convolution find a clip more than 2^31 values away") {
  constexpr int frame = 1 << 28;  // columns from one clip to the next
  constexpr Index values = Index{8} * frame + 8;
  const kernels::ColumnSize size{.clips = 2, .space = 1, .frames = 1, .frame = frame, .channels = 1, .first_tap = -1};
  const Sparse<bf16> x(values), dy(values), dx(values), w(24);
  const Sparse<float> partial(32);
  for (Index i = 0; i < 8; ++i) {
    w.data()[3 * i + 1] = bf16(float(i));
    for (const Index clip : {Index(0), Index(1)}) {
      x.data()[8 * clip * frame + i] = bf16(float(1 + 2 * clip));
      dy.data()[8 * clip * frame + i] = bf16(float(5 - clip));
    }
  }
  emulator::Machine machine;
  machine.launch(kernels::SlidingConvDx<bf16, 3>{.size = size,
                                                 .parts = kernels::ConvParts::of(size),
                                                 .dy = dy.data(),
                                                 .x = x.data(),
                                                 .w = w.data(),
                                                 .dx = dx.data(),
                                                 .partial = partial.data()});
  for (Index i = 0; i < 8; ++i) {
    CHECK(float(dx.data()[i]) == float(5 * i));
    CHECK(float(dx.data()[Index{8} * frame + i]) == float(4 * i));
    CHECK(partial.data()[8 + i] == 1 * 5 + 3 * 4);
    CHECK(partial.data()[24 + i] == 5 + 4);
  }
}

TEST_CASE("dense convolution finds a frame more than 2^31 values away") {
  constexpr Index frame = Index{1} << 29;  // tokens from one frame to the next
  const Sparse<bf16> x((frame + 3) * 8), y(3 * 8), w(64);
  for (Index i = 0; i < 8; ++i) w.data()[8 * i + i] = bf16(2.0f);
  for (Index i = 0; i < 24; ++i) x.data()[frame * 8 + i] = bf16(float(i));
  emulator::Machine machine;
  machine.launch(kernels::DenseConvMma<kernels::ConvDirection::forward>{.tokens = 3,
                                                                        .space = frame,
                                                                        .frames = 2,
                                                                        .taps = 1,
                                                                        .first_tap = 1,
                                                                        .inner = 8,
                                                                        .columns = 8,
                                                                        .x = x.data(),
                                                                        .w = w.data(),
                                                                        .b = nullptr,
                                                                        .y = y.data()});
  for (Index i = 0; i < 24; ++i) CHECK(float(y.data()[i]) == float(2 * i));
}

TEST_CASE("gates and sums over rows find their vectors among more than 2^31 values") {
  const Sparse<bf16> x(all), branch(all), y(all), gate(batch * 6 * channels);
  const Index tokens = frames * space;
  for (const Position& at : positions()) {
    x.data()[at.index()] = bf16(3.0f);
    branch.data()[at.index()] = bf16(4.0f);
    gate.data()[at.b * 6 * channels + at.c] = bf16(0.5f);
    run_row(at.index() / channels, kernels::GateResidual<bf16>{.tokens = tokens,
                                                               .channels = channels,
                                                               .wide = channels,
                                                               .stride = 6 * channels,
                                                               .x = x.data(),
                                                               .branch = branch.data(),
                                                               .gate = gate.data(),
                                                               .y = y.data()});
    CHECK(float(y.data()[at.index()]) == 5.0f);
    const kernels::ProductTerm<bf16> term{.rows = tokens, .columns = channels, .a = x.data(), .b = branch.data()};
    CHECK(term(GridThread(), at.b, at.f * space + at.s, at.c, kernels::Count<1>{}).at[0] == 12.0f);
  }
}

namespace {

struct LastIndex {
  Index* last;
  Index* count;
  template <class Dev, int N = 1>
  void operator()(Dev, Index i, kernels::Count<N> = {}) const {
    *last = i + N - 1;
    ++*count;
  }
};

}  // namespace

TEST_CASE("a thread strides over more than 2^31 indices to the last of them") {
  constexpr Index blocks = 1 << 16, threads = kernels::block_threads;
  Index last = 0, count = 0;
  kernels::NoShared shared;
  const Index thread_of_last = (all - 1) % (blocks * threads);
  const kernels::ForEach<LastIndex> each{.n = all, .element = {.last = &last, .count = &count}};
  each(GridThread(thread_of_last / threads, blocks, unsigned(thread_of_last % threads)), shared);
  CHECK(last == all - 1);
  CHECK(count == kernels::ceil_div(all, blocks * threads));
  count = 0;
  constexpr Index at_once = kernels::at_once;
  const Index thread_of_eight = (all / at_once - 1) % (blocks * threads);
  const kernels::ForEachValue<LastIndex> eight{.n = all, .wide = all, .element = {.last = &last, .count = &count}};
  eight(GridThread(thread_of_eight / threads, blocks, unsigned(thread_of_eight % threads)), shared);
  CHECK(last == all - 1);
  CHECK(count == kernels::ceil_div(all, blocks * threads * at_once));
  count = 0;
  const Index warps = threads / kernels::warp_size, warp_of_last = (all - 1) % (blocks * warps);
  const kernels::ForEachRow<LastIndex> row{.n = all, .row = {.last = &last, .count = &count}};
  row(GridThread(warp_of_last / warps, blocks, unsigned(warp_of_last % warps * kernels::warp_size)), shared);
  CHECK(last == all - 1);
  CHECK(count == kernels::ceil_div(all, blocks * warps));
}
