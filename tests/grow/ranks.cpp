// SPDX-License-Identifier: MIT
// How tensors and windows are divided between ranks, and what is noticed of a rank that makes other bytes than it
// should. Ranks are threads here; tests/dist has real ones.
#include <barrier>
#include <numeric>
#include <thread>

#include <modelgrow/detail/hash64.hpp>
#include <modelgrow/detail/packed.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/shares.hpp>

#include "disk.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using modelgrow::testing::message_of;
using modelgrow::testing::says;

namespace {

/// Two ranks that tell each other what `changed` makes of what they say.
class TwoThreads {
 public:
  using Change = std::function<std::string(int rank, const std::string& said)>;
  explicit TwoThreads(Change change) : change_(std::move(change)) {}

  /// What each of them throws; empty where it does not.
  std::vector<std::string> run(const std::function<void(Ranks&)>& work) {
    std::vector<std::string> thrown(2);
    std::vector<std::thread> threads;
    for (int r = 0; r < 2; ++r)
      threads.emplace_back([&, r] {
        Ranks ranks(r, 2, [&](const std::string& own) { return gather(r, own); });
        thrown[std::size_t(r)] = message_of<std::exception>([&] { ranks.together([&] { work(ranks); }); });
      });
    for (auto& t : threads) t.join();
    return thrown;
  }

 private:
  std::vector<std::string> gather(int rank, const std::string& own) {
    said_[std::size_t(rank)] = change_(rank, own);
    both_.arrive_and_wait();
    auto all = said_;
    both_.arrive_and_wait();
    return all;
  }
  Change change_;
  std::vector<std::string> said_ = std::vector<std::string>(2);
  std::barrier<> both_{2};
};

}  // namespace

TEST_CASE("ranks get whole tensors, neighbours, of as many bytes as the others and at most one tensor more") {
  const std::vector<std::uint64_t> bytes{100, 0, 1, 2, 3, 50, 50, 50, 70, 0, 20, 900, 5, 5, 5};
  const auto total = std::accumulate(bytes.begin(), bytes.end(), std::uint64_t{0});
  for (int n = 1; n < 20; ++n) {
    const auto all = detail::ranks_of(bytes, n);
    REQUIRE(all.size() == bytes.size());
    CHECK(std::ranges::is_sorted(all));
    CHECK(all.back() < n);
    std::vector<std::uint64_t> of(std::size_t(n), 0);
    for (std::size_t i = 0; i < bytes.size(); ++i) of[std::size_t(all[i])] += bytes[i];
    for (const auto b : of) CHECK(double(b) <= double(total) / n + 900);
  }
  CHECK(detail::ranks_of({10, 10, 10, 10}, 2) == std::vector<int>{0, 0, 1, 1});
  CHECK(detail::ranks_of({0, 0}, 3) == std::vector<int>{0, 0});
  CHECK(detail::ranks_of({}, 3).empty());
}

TEST_CASE("a window is made by all ranks that have bytes in it") {
  const std::vector<std::uint64_t> begin{20, 30, 30, 50, 90};
  const std::vector<int> rank_of{0, 0, 1, 3};
  const auto ranks = [&](std::uint64_t at, std::uint64_t end) {
    const auto r = detail::ranks_in(begin, rank_of, at, end);
    return std::pair(r.first, r.last);
  };
  CHECK(ranks(0, 20) == std::pair(0, 0));  // the header
  CHECK(ranks(0, 30) == std::pair(0, 0));
  CHECK(ranks(0, 31) == std::pair(0, 1));
  CHECK(ranks(30, 50) == std::pair(1, 1));
  CHECK(ranks(40, 60) == std::pair(1, 3));
  CHECK(ranks(50, 90) == std::pair(3, 3));
  CHECK(ranks(0, 90) == std::pair(0, 3));
  const std::vector<std::uint64_t> nothing{20};
  CHECK(detail::ranks_in(nothing, {}, 0, 20).last == 0);
}

TEST_CASE("ranks that make other bytes of a window between them are noticed") {
  tiny::Scratch scratch;
  tiny::make_directory<float>(scratch / "base", {});
  const Plan p = plan(tiny::disk_schema({}), Net2Wider{.space = "ffn", .to = 8});
  const auto in = Checkpoint::open(scratch / "base");
  // Texts of three numbers for each window are checksums; the first rank says another of its last window.
  const auto change = [windows = false](int rank, const std::string& said) mutable {
    if (rank != 0 || windows || said.size() < 25 || (said.size() - 1) % 24 != 0) return said;
    windows = true;
    auto other = said;
    other.back() = char(other.back() ^ 1);
    return other;
  };
  const auto thrown = TwoThreads(change).run(
      [&](Ranks& ranks) { p.write(in, scratch / "grown", {.window_bytes = 1u << 20, .ranks = &ranks}); });
  CHECK(says(thrown[0], "rank 1 makes other bytes than rank 0"));
  CHECK(says(thrown[1], "rank 1 makes other bytes than rank 0"));
  CHECK(scratch.entries() == 1);
}

TEST_CASE("numbers and texts come out as they went in, and a text that was cut is refused") {
  detail::Packer packer;
  packer << 7 << -3 << true << std::string("name") << 1.5 << std::string() << INFINITY * 1.0;
  const std::string text = packer.text();
  detail::Unpacker from(text);
  int a = 0, b = 0;
  bool c = false;
  std::string d, e = "x";
  double f = 0, g = 0;
  from >> a >> b >> c >> d >> f >> e >> g;
  CHECK((a == 7 && b == -3 && c && d == "name" && f == 1.5 && e.empty() && std::isinf(g)));
  CHECK(from.ended());
  detail::Unpacker cut(std::string_view(text).substr(0, 30));
  CHECK_THROWS_AS(cut >> a >> b >> c >> d, communication_error);
}
