// SPDX-License-Identifier: MIT
// How tensors are divided between ranks, and what is noticed of a rank that makes other bytes than it
// should. Ranks are threads here; tests/dist has real ones.
#include <atomic>
#include <barrier>
#include <chrono>
#include <numeric>
#include <random>
#include <thread>

#include <modelgrow/detail/hash64.hpp>
#include <modelgrow/detail/packed.hpp>
#include <modelgrow/grow/chunks.hpp>
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

/// A growth of more than seventy windows of 4096 bytes.
struct Large {
  static constexpr tiny::Config config{.ffn = 400, .depth = 8};
  tiny::Scratch scratch;
  Plan plan = modelgrow::plan(tiny::disk_schema(config), Net2Wider{.space = "ffn", .times = 2});
  Checkpoint in = (tiny::make_directory<float>(scratch / "base", config), Checkpoint::open(scratch / "base"));
};

}  // namespace

TEST_CASE("a rank that is stopped is told apart from one that fails") {
  struct Stop {};
  TwoThreads group([](int, const std::string& said) { return said; });
  std::vector<std::string> how(2);
  group.run([&](Ranks& ranks) {
    try {
      ranks.together([&] {
        if (ranks.rank() == 1) throw Stop{};
      });
    } catch (const Stop&) {
      how[1] = "itself";
    } catch (const interrupted_error& e) {
      how[std::size_t(ranks.rank())] = e.what();
    }
  });
  CHECK(how == std::vector<std::string>{"rank 1: it was stopped", "itself"});
}

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

TEST_CASE("the part of a rank is cut into chunks, of which the first is small and each further one half of the rest") {
  std::mt19937_64 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::uint64_t> bytes(random() % 200);
    for (auto& b : bytes) b = random() % 4 == 0 ? 0 : random() % 1000;
    const std::uint64_t least = 1 + random() % 3000;
    const int ranks = 1 + int(random() % 5);
    const auto rank_of = detail::ranks_of(bytes, ranks);
    const auto chunks = detail::chunks_of(bytes, ranks, least);
    REQUIRE(chunks.size() == std::size_t(ranks));
    std::size_t at = 0;
    for (int r = 0; r < ranks; ++r) {
      std::uint64_t left = 0;
      for (std::size_t i = 0; i < bytes.size(); ++i) left += rank_of[i] == r ? bytes[i] : 0;
      bool first = ranks > 1;
      for (const auto& chunk : chunks[std::size_t(r)]) {
        REQUIRE(chunk.first == at);
        REQUIRE(chunk.first < chunk.end);
        const auto sum = std::accumulate(bytes.begin() + std::ptrdiff_t(chunk.first),
                                         bytes.begin() + std::ptrdiff_t(chunk.end), std::uint64_t{0});
        CHECK(chunk.bytes == sum);
        const auto wanted = ranks == 1 ? left : std::exchange(first, false) ? least : std::max(left / 2, least);
        CHECK(sum >= std::min(wanted, left));
        CHECK(sum < wanted + 1000);
        left -= sum;
        at = chunk.end;
      }
      CHECK(left == 0);
      CHECK(at == std::size_t(std::ranges::upper_bound(rank_of, r) - rank_of.begin()));
    }
    if (ranks == 1) CHECK(chunks[0].size() == (bytes.empty() ? 0 : 1));
  }
}

TEST_CASE("a rank that is slow keeps its first chunk, and the other takes the rest from the last one on") {
  tiny::Scratch scratch;
  const std::vector<std::uint64_t> bytes(40, 100);
  const auto chunks = detail::chunks_of(bytes, 2, 300);
  REQUIRE(chunks[1].size() > 3);
  std::vector<std::vector<std::size_t>> taken(2);
  std::barrier<> first_done{2};
  const auto thrown = TwoThreads([](int, const std::string& said) { return said; }).run([&](Ranks& ranks) {
    ranks.meet_in(scratch.path());
    detail::ChunkClaims claims(chunks, ranks, "files");
    if (ranks.rank() == 1) first_done.arrive_and_wait();
    CHECK(claims.bytes_left() == 2000);
    while (const auto chunk = claims.next()) taken[std::size_t(ranks.rank())].push_back(chunk->first);
    CHECK(claims.bytes_left() == 0);
    if (ranks.rank() == 0) first_done.arrive_and_wait();
  });
  CHECK(thrown == std::vector<std::string>(2));
  std::vector<std::size_t> expected;
  for (const auto& c : chunks[0]) expected.push_back(c.first);
  for (auto i = chunks[1].size() - 1; i > 0; --i) expected.push_back(chunks[1][i].first);
  CHECK(taken[0] == expected);
  CHECK(taken[1] == std::vector<std::size_t>{chunks[1][0].first});
}

TEST_CASE("what a slow rank does not come to, the other makes, and the bytes are those of one process") {
  const Large large;
  const auto& [scratch, p, in] = large;
  std::int64_t windows = 0;
  p.write(in, scratch / "by_one",
          {.progress =
               [&](const ProgressReport& at) {
                 if (windows == 0) windows = at.total;  // of the weights
               },
           .window_bytes = 4096});
  REQUIRE(windows > 70);
  std::atomic<std::int64_t> made{0};  // by rank 0
  std::atomic<bool> in_vain{false};
  const auto thrown = TwoThreads([](int, const std::string& said) { return said; }).run([&](Ranks& ranks) {
    const bool slow = !ranks.first();
    ranks.watched_by({.making = [&, slow](const std::string&) {
      const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
      while (slow && !in_vain && made < windows * 3 / 4) {
        if (std::chrono::steady_clock::now() > end) in_vain = true;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      return std::shared_ptr<void>();
    }});
    p.write(in, scratch / "by_two",
            {.progress = [&, slow](const ProgressReport&) { made += !slow; }, .window_bytes = 4096, .ranks = &ranks});
  });
  CHECK(thrown == std::vector<std::string>(2));
  CHECK_FALSE(in_vain);
  std::size_t files = 0;
  for (const auto& e : std::filesystem::directory_iterator(scratch / "by_one")) {
    INFO(e.path());
    CHECK(detail::read_file(scratch / "by_two" / e.path().filename()) == detail::read_file(e.path()));
    ++files;
  }
  CHECK(std::distance(std::filesystem::directory_iterator(scratch / "by_two"), {}) == std::ptrdiff_t(files));
}

TEST_CASE("a window that no rank has made is noticed") {
  const Large large;
  const auto& [scratch, p, in] = large;
  // Rank 1 does not tell of its windows, three numbers each, of which the eight of its first chunk are its own.
  const auto change = [windows = false](int rank, const std::string& said) mutable {
    if (rank != 1 || windows || said.size() < 8 * 24 || (said.size() - 1) % 24 != 0) return said;
    windows = true;
    return said.substr(0, 1);
  };
  const auto thrown = TwoThreads(change).run(
      [&](Ranks& ranks) { p.write(in, scratch / "grown", {.window_bytes = 4096, .ranks = &ranks}); });
  CHECK(says(thrown[0], "was made by no rank"));
  CHECK(says(thrown[1], "was made by no rank"));
  CHECK(scratch.entries() == 1);
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
