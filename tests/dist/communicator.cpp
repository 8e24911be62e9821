// SPDX-License-Identifier: MIT
// What the ranks tell each other arrives, in the order that was promised, for any number of ranks and parts of any
// size.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/diffusion/noise.hpp>
#include <modelgrow/dist/single.hpp>

#include <chrono>
#include <numeric>

#include "tests/dist/support/ranks.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/same_bits.hpp"

namespace mg = modelgrow;
using mg::testing::message_of;
using mg::testing::ranks;
using mg::testing::same_bits;
using mg::testing::says;
using Floats = mg::Tensor<float, mg::Cpu>;

static_assert(mg::Communicator<mg::Single> && mg::Communicator<mg::Single, mg::Meta> && mg::Communicator<mg::Mpi>);

namespace {

/// What rank r brings along; every rank can say what the others have.
Floats of_rank(int r, std::int64_t size) {
  return mg::gaussian_noise<float>(mg::Shape{size}, mg::Rng(5), std::uint64_t(r * size));
}
Floats tree_sum(std::int64_t size) {
  mg::TreeSum<float, mg::Cpu> sum;
  for (int r = 0; r < ranks().size(); ++r) sum.add(of_rank(r, size));
  return sum.take();
}
/// Parts of very different sizes, the first of them empty.
mg::Cuts uneven() {
  std::vector<std::int64_t> sizes;
  for (int r = 0; r < ranks().size(); ++r) sizes.push_back(7 * r * r);
  return mg::Cuts::of_sizes(sizes);
}
double largest_difference(const Floats& a, const Floats& b) {
  double largest = 0;
  for (std::int64_t i = 0; i < a.size(); ++i) largest = std::max(largest, double(std::abs(a.data()[i] - b.data()[i])));
  return largest;
}

}  // namespace

TEST_CASE("these tests are run by more than one rank") {
  CHECK(ranks().size() > 1);
  CHECK(ranks().rank() < ranks().size());
}

TEST_CASE("sums over all ranks, and to the last bit where that is asked for") {
  const Floats fast = of_rank(ranks().rank(), 1001), ordered = fast.clone(), expected = tree_sum(1001);
  mg::Pending one = ranks().all_reduce(fast), other = ranks().all_reduce(ordered, mg::Sums::ordered);
  one.wait();
  other.wait();
  CHECK(largest_difference(fast, expected) < 1e-5);
  CHECK(same_bits(ordered, expected));

  const auto exact = mg::Tensor<double, mg::Cpu>::from({2}, std::vector<double>{1.0 + ranks().rank(), 1e-30});
  ranks().all_reduce(exact).wait();
  CHECK(exact.data()[0] == ranks().size() * (ranks().size() + 1) / 2);
  CHECK_THAT(exact.data()[1], WithinRel(ranks().size() * 1e-30, 1e-12));
}

TEST_CASE("16 bits are added up in float and rounded once") {
  const auto check = [&]<class T>(T) {
    // The small values are lost where every partial sum is rounded to 16 bits.
    const auto values =
        mg::Tensor<T, mg::Cpu>::from({2}, std::vector<T>{T(ranks().rank() == 0 ? 1.0f : 0.001f), T(2.0f)});
    float expected = 0;
    for (int r = 0; r < ranks().size(); ++r) expected += float(T(r == 0 ? 1.0f : 0.001f));
    const auto parts = mg::Tensor<T, mg::Cpu>::from({2}, values.span());
    ranks().all_reduce(values).wait();
    CHECK(values.data()[0] == T(expected));
    CHECK(values.data()[1] == T(2.0f * float(ranks().size())));
    std::vector<std::int64_t> sizes(std::size_t(ranks().size()));
    sizes.back() = 2;
    ranks().reduce_scatter(parts, mg::Cuts::of_sizes(sizes)).wait();
    if (ranks().rank() == ranks().size() - 1) CHECK(parts.data()[0] == T(expected));
  };
  check(mg::bf16());
  check(mg::f16());
}

TEST_CASE("each rank gets its part of the sum, also of parts without elements") {
  const mg::Cuts cuts = uneven();
  const Floats sum = cuts.part(tree_sum(cuts.total()), ranks().rank());
  const Floats fast = of_rank(ranks().rank(), cuts.total()), ordered = fast.clone();
  mg::Pending one = ranks().reduce_scatter(fast, cuts),
              other = ranks().reduce_scatter(ordered, cuts, mg::Sums::ordered);
  other.wait();
  one.wait();
  CHECK(largest_difference(cuts.part(fast, ranks().rank()), sum) < 1e-5);
  CHECK(same_bits(cuts.part(ordered, ranks().rank()), sum));
}

TEST_CASE("parts of all ranks are gathered, exchanged and sent to all") {
  const mg::Cuts cuts = uneven();
  const Floats whole = of_rank(0, cuts.total()), gathered = Floats::zeros({cuts.total()});
  const Floats own = cuts.part(gathered, ranks().rank());
  mg::Cpu::copy(own.data(), cuts.part(whole, ranks().rank()).data(), own.bytes());
  ranks().all_gather(gathered, cuts).wait();
  CHECK(same_bits(gathered, whole));

  const std::int64_t n = cuts.size(ranks().rank());
  const Floats received{mg::Shape{ranks().size() * n}};
  ranks()
      .all_to_all(of_rank(ranks().rank(), cuts.total()), cuts, received,
                  mg::Cuts::even(received.size(), ranks().size()))
      .wait();
  for (int r = 0; r < ranks().size(); ++r)
    CHECK(same_bits(received.view(r * n, {n}), cuts.part(of_rank(r, cuts.total()), ranks().rank())));

  const int last = ranks().size() - 1;
  const auto bytes = mg::Tensor<std::uint8_t, mg::Cpu>::zeros({5});
  std::iota(bytes.data(), bytes.data() + 5, std::uint8_t(ranks().rank()));
  ranks().broadcast(bytes, last).wait();
  for (int i = 0; i < 5; ++i) CHECK(bytes.data()[i] == last + i);
}

TEST_CASE("an operation goes on while its caller computes, and keeps what it works on") {
  mg::Pending pending;
  CHECK(pending.test());  // nothing is left to be waited for
  Floats values = of_rank(ranks().rank(), 4096);
  const Floats kept = values;
  int ended = 0;
  pending = ranks().all_reduce(std::move(values)).and_then([&] { ++ended; }).and_then([&] { ended *= 10; });
  while (!pending.test()) {
  }
  CHECK(ended == 10);
  pending.wait();
  CHECK(ended == 10);
  CHECK(largest_difference(kept, tree_sum(4096)) < 1e-5);
}

TEST_CASE("nobody passes a barrier before all have come") {
  using Clock = std::chrono::steady_clock;
  ranks().barrier().wait();
  const auto begin = Clock::now();
  const auto late = std::chrono::milliseconds(50);
  if (ranks().rank() == 0)
    while (Clock::now() - begin < late) {
    }
  ranks().barrier().wait();
  CHECK(Clock::now() - begin > late / 2);
}

TEST_CASE("bytes and messages are counted where operations are called") {
  const int n = ranks().size(), r = ranks().rank();
  const mg::Cuts cuts = uneven();
  const auto sent_by = [&](auto&& call) {
    const mg::Traffic before = ranks().traffic();
    call();
    const mg::Traffic& after = ranks().traffic();
    return mg::Traffic{after.calls - before.calls, after.messages - before.messages, after.bytes - before.bytes};
  };
  const Floats values = Floats::zeros({cuts.total()});
  const std::int64_t others = n - 1, own = cuts.size(r);
  CHECK(sent_by([&] { ranks().reduce_scatter(values, cuts).wait(); }) ==
        mg::Traffic{1, r == 0 ? n - 1 : n - 2, 4 * (cuts.total() - own)});  // the part of rank 0 is empty
  CHECK(sent_by([&] { ranks().all_gather(values, cuts).wait(); }) ==
        mg::Traffic{1, own > 0 ? others : 0, 4 * others * own});
  const Floats even = Floats::zeros({12 * n});
  CHECK(sent_by([&] { ranks().all_reduce(even).wait(); }) == mg::Traffic{1, 2 * others, 2 * others * 12 * 4});
  CHECK(sent_by([&] { ranks().all_reduce(even, mg::Sums::ordered).wait(); }) ==
        mg::Traffic{1, others, others * even.size() * 4});
  CHECK(sent_by([&] { ranks().broadcast(even, 1).wait(); }) ==
        mg::Traffic{1, r == 1 ? others : 0, r == 1 ? others * even.size() * 4 : 0});
  CHECK(sent_by([&] { ranks().barrier().wait(); }) == mg::Traffic{1, n == 2 ? 1 : 2, 0});
}

TEST_CASE("what MPI refuses is an exception that names the call and the rank") {
  const Floats values = Floats::zeros({3});
  const std::string message = message_of<mg::communication_error>([&] { ranks().broadcast(values, 99).wait(); });
  CHECK(says(message, "MPI_Ibcast failed on rank " + std::to_string(ranks().rank())));
  const mg::Tensor<std::uint8_t, mg::Cpu> huge(mg::Shape{std::int64_t(1) << 31}, nullptr);
  CHECK(says(message_of<mg::communication_error>([&] { ranks().broadcast(huge).wait(); }),
             "takes at most 2147483647 elements; 2147483648 were given"));
}

TEST_CASE("cuts that do not fit are refused before anything is sent") {
  const Floats values = Floats::zeros({10});
  const auto wrong_size = mg::Cuts::even(9, ranks().size()), wrong_ranks = mg::Cuts::even(10, ranks().size() + 1);
  for (const mg::Cuts& cuts : {wrong_size, wrong_ranks}) {
    CHECK_THROWS_AS(ranks().reduce_scatter(values, cuts).wait(), mg::shape_error);
    CHECK_THROWS_AS(ranks().all_gather(values, cuts).wait(), mg::shape_error);
    CHECK_THROWS_AS(ranks().all_to_all(values, cuts, values, cuts).wait(), mg::shape_error);
  }
  CHECK_THROWS_AS(mg::Cuts({1, 2}), mg::shape_error);
  CHECK_THROWS_AS(mg::Cuts({0, 3, 2}), mg::shape_error);
  CHECK_THROWS_AS(mg::Cuts(std::vector<std::int64_t>{}), mg::shape_error);
}

TEST_CASE("one process alone has ended before it begins") {
  mg::Single one;
  CHECK(one.rank() == 0);
  CHECK(one.size() == 1);
  const Floats values = of_rank(0, 12), before = values.clone(), other = Floats::zeros({12});
  const mg::Cuts cuts = mg::Cuts::even(12, 1);
  one.all_reduce(values).wait();
  one.reduce_scatter(values, cuts).wait();
  one.all_gather(values, cuts).wait();
  one.broadcast(values).wait();
  one.barrier().wait();
  one.all_to_all(values, cuts, other, cuts).wait();
  CHECK(same_bits(values, before));
  CHECK(same_bits(other, before));
  CHECK(one.traffic() == mg::Traffic{.calls = 6});
  CHECK_THROWS_AS(one.all_gather(values, mg::Cuts::even(12, 2)), mg::shape_error);
  CHECK_THROWS_AS(one.all_to_all(values, cuts, values.view(0, {3}), mg::Cuts::even(3, 1)), mg::shape_error);
  CHECK_THROWS_AS(one.abort("why"), mg::communication_error);
}

TEST_CASE("the order of a tree sum follows from the number of its terms") {
  const auto sum = [](std::vector<float> terms) {
    mg::TreeSum<float, mg::Cpu> tree;
    for (const float t : terms) tree.add(Floats::from({1}, std::vector<float>{t}));
    CHECK(tree.terms() == std::int64_t(terms.size()));
    const Floats s = tree.take();
    CHECK(tree.terms() == 0);
    CHECK_FALSE(tree.take().defined());
    return s.data()[0];
  };
  const float a = 1e8f, b = -1e8f, c = 3.0f, d = 5.0f;
  CHECK(sum({a, c, b, d}) == (a + c) + (b + d));
  CHECK(sum({a, c, b, d}) != ((a + c) + b) + d);
  CHECK(sum({a, b, c}) == (a + b) + c);
  CHECK(sum({a, b, c, d, a, c, b}) == ((a + b) + (c + d)) + ((a + c) + b));
  mg::TreeSum<float, mg::Cpu> tree;
  tree.add(Floats::zeros({2}));
  CHECK_THROWS_AS(tree.add(Floats::zeros({3})), mg::shape_error);
}
