// SPDX-License-Identifier: MIT
// What GPUs tell each other by NCCL arrives as it does between processes by MPI, and behind what they computed before,
// on streams that do nothing before they must.
#include <modelgrow/core/rng.hpp>
#include <modelgrow/diffusion/noise.hpp>
#include <modelgrow/dist/nccl.cuh>
#include <modelgrow/dist/single.hpp>

#include "tests/dist/support/ranks.hpp"
#include "tests/nccl_on_host/support/backend.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/same_bits.hpp"

namespace mg = modelgrow;
using mg::to_cpu;
using mg::testing::ranks;
using mg::testing::same_bits;
using Floats = mg::Tensor<float, mg::Cuda>;
using HostFloats = mg::Tensor<float, mg::Cpu>;

static_assert(mg::Communicator<mg::Nccl, mg::Cuda>);

namespace {

HostFloats of_rank(int r, std::int64_t size) {
  return mg::gaussian_noise<float>(mg::Shape{size}, mg::Rng(5), std::uint64_t(r * size));
}
/// Twice that, as the result of a kernel that the stream of the context has not run yet.
Floats computed(int r, std::int64_t size) {
  const Floats x = mg::to_device<mg::Cuda>(of_rank(r, size)), y{mg::Shape{size}};
  mg::Backend<mg::Cuda>::add(size, x.data(), x.data(), y.data());
  return y;
}
HostFloats twice(HostFloats x) {
  for (float& v : x.span()) v *= 2;
  return x;
}
HostFloats tree_sum(std::int64_t size) {
  mg::TreeSum<float, mg::Cpu> sum;
  for (int r = 0; r < ranks().size(); ++r) sum.add(twice(of_rank(r, size)));
  return sum.take();
}
double largest_difference(const HostFloats& a, const HostFloats& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) largest = std::max(largest, double(std::abs(a.data()[i] - b.data()[i])));
  return largest;
}
/// Parts of very different sizes, the first of them empty.
mg::Cuts uneven() {
  std::vector<std::int64_t> sizes;
  for (int r = 0; r < ranks().size(); ++r) sizes.push_back(7 * r * r);
  return mg::Cuts::of_sizes(sizes);
}

}  // namespace

TEST_CASE("GPUs add up, and to the last bit where that is asked for") {
  mg::Nccl gpus(ranks());
  CHECK(gpus.rank() == ranks().rank());
  CHECK(gpus.size() == ranks().size());
  const Floats fast = computed(gpus.rank(), 1001), ordered = computed(gpus.rank(), 1001);
  mg::Pending one = gpus.all_reduce(fast), other = gpus.all_reduce(ordered, mg::Sums::ordered);
  one.wait();
  other.wait();
  CHECK(largest_difference(to_cpu(fast), tree_sum(1001)) < 1e-5);
  CHECK(same_bits(to_cpu(ordered), tree_sum(1001)));

  const auto exact = mg::to_device<mg::Cuda>(mg::Tensor<double, mg::Cpu>::from({1}, std::vector{1e-30}));
  gpus.all_reduce(exact).wait();
  CHECK_THAT(to_cpu(exact).data()[0], WithinRel(ranks().size() * 1e-30, 1e-12));
  gpus.all_reduce(exact, mg::Sums::ordered).wait();
  CHECK_THAT(to_cpu(exact).data()[0], WithinRel(ranks().size() * ranks().size() * 1e-30, 1e-12));
}

TEST_CASE("GPUs add up bf16 in float and round once") {
  mg::Nccl gpus(ranks());
  // The small values are lost where every partial sum is rounded to 16 bits.
  const float own = gpus.rank() == 0 ? 1.0f : 0.001f;
  const auto values = mg::to_device<mg::Cuda>(mg::Tensor<mg::bf16, mg::Cpu>::from({2}, std::vector(2, mg::bf16(own))));
  const auto parts = values.clone();
  float expected = 1;
  for (int r = 1; r < gpus.size(); ++r) expected += float(mg::bf16(0.001f));
  gpus.all_reduce(values).wait();
  CHECK(to_cpu(values).data()[1] == mg::bf16(expected));
  std::vector<std::int64_t> sizes(std::size_t(gpus.size()));
  sizes.back() = 2;
  gpus.reduce_scatter(parts, mg::Cuts::of_sizes(sizes)).wait();
  if (gpus.rank() == gpus.size() - 1) CHECK(to_cpu(parts).data()[0] == mg::bf16(expected));
}

TEST_CASE("each GPU gets its part of the sum, of equal parts and of others") {
  mg::Nccl gpus(ranks());
  for (const mg::Cuts& cuts : {uneven(), mg::Cuts::even(60 * ranks().size(), ranks().size())}) {
    const HostFloats sum = cuts.part(tree_sum(cuts.total()), gpus.rank());
    const Floats fast = computed(gpus.rank(), cuts.total()), ordered = computed(gpus.rank(), cuts.total());
    mg::Pending one = gpus.reduce_scatter(fast, cuts), other = gpus.reduce_scatter(ordered, cuts, mg::Sums::ordered);
    other.wait();
    one.wait();
    CHECK(largest_difference(to_cpu(cuts.part(fast, gpus.rank())), sum) < 1e-5);
    CHECK(same_bits(to_cpu(cuts.part(ordered, gpus.rank())), sum));
  }
}

TEST_CASE("parts of all GPUs are gathered, exchanged and sent to all") {
  mg::Nccl gpus(ranks());
  const int n = gpus.size(), r = gpus.rank();
  for (const mg::Cuts& cuts : {uneven(), mg::Cuts::even(12 * n, n)}) {
    const Floats whole = computed(0, cuts.total()), gathered = Floats::zeros({cuts.total()});
    const Floats own = cuts.part(gathered, r);
    mg::Cuda::copy(own.data(), cuts.part(whole, r).data(), own.bytes());
    gpus.all_gather(gathered, cuts).wait();
    CHECK(same_bits(to_cpu(gathered), to_cpu(whole)));

    const std::int64_t size = cuts.size(r);
    const Floats received{mg::Shape{n * size}};
    gpus.all_to_all(computed(r, cuts.total()), cuts, received, mg::Cuts::even(received.size(), n)).wait();
    for (int s = 0; s < n; ++s)
      CHECK(same_bits(to_cpu(received).view(s * size, {size}), cuts.part(twice(of_rank(s, cuts.total())), r)));
  }
  const Floats sent = computed(r, 5);
  gpus.broadcast(sent, n - 1).wait();
  CHECK(same_bits(to_cpu(sent), twice(of_rank(n - 1, 5))));
  gpus.barrier().wait();
}

TEST_CASE("what follows an operation of GPUs finds its result") {
  mg::Nccl gpus(ranks());
  const Floats values = computed(gpus.rank(), 4096);
  HostFloats seen;
  mg::Pending sum = gpus.all_reduce(values).and_then([&] { seen = to_cpu(values); });
  while (!sum.test()) {
  }
  CHECK(largest_difference(seen, tree_sum(4096)) < 1e-5);
}

TEST_CASE("GPUs count what they send as processes do") {
  mg::Nccl gpus(ranks());
  const mg::Cuts cuts = uneven();
  const int n = gpus.size();
  const auto of = [&](auto& group, const auto& x, const auto& y) {
    const mg::Traffic before = group.traffic();
    group.all_reduce(x).wait();
    group.all_reduce(x, mg::Sums::ordered).wait();
    group.reduce_scatter(x, cuts).wait();
    group.reduce_scatter(x, cuts, mg::Sums::ordered).wait();
    group.all_gather(x, cuts).wait();
    group.all_to_all(x, cuts, y, mg::Cuts::even(y.size(), n)).wait();
    group.broadcast(x, 1).wait();
    group.barrier().wait();
    const mg::Traffic& after = group.traffic();
    return mg::Traffic{after.calls - before.calls, after.messages - before.messages, after.bytes - before.bytes};
  };
  const HostFloats x = HostFloats::zeros({cuts.total()}), y = HostFloats::zeros({n * cuts.size(gpus.rank())});
  CHECK(of(gpus, mg::to_device<mg::Cuda>(x), mg::to_device<mg::Cuda>(y)) == of(ranks(), x, y));
}

TEST_CASE("cuts that do not fit are refused before GPUs send anything") {
  mg::Nccl gpus(ranks());
  const Floats values = Floats::zeros({10});
  const int n = gpus.size();
  for (const mg::Cuts& cuts : {mg::Cuts::even(9, n), mg::Cuts::even(10, n + 1)}) {
    CHECK_THROWS_AS(gpus.reduce_scatter(values, cuts).wait(), mg::shape_error);
    CHECK_THROWS_AS(gpus.all_gather(values, cuts).wait(), mg::shape_error);
    CHECK_THROWS_AS(gpus.all_to_all(values, cuts, values, cuts).wait(), mg::shape_error);
  }
  const Floats all = Floats::zeros({3 * n}), less = Floats::zeros({2 * n});
  CHECK_THROWS_AS(gpus.all_to_all(all, mg::Cuts::even(3 * n, n), less, mg::Cuts::even(2 * n, n)), mg::shape_error);
}

TEST_CASE("one GPU is a group of its own") {
  mg::Single one;
  mg::Nccl gpu(one);
  const Floats values = computed(0, 12);
  gpu.all_reduce(values).wait();
  gpu.all_gather(values, mg::Cuts::even(12, 1)).wait();
  gpu.barrier().wait();
  CHECK(same_bits(to_cpu(values), twice(of_rank(0, 12))));
  CHECK_THROWS_AS(gpu.abort("why"), mg::communication_error);
}
