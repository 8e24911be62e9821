// SPDX-License-Identifier: MIT
// Grown models compute what the small one computed: single operators, compositions, random plans; and what would not,
// is refused.
#include <cmath>

#include <modelgrow/core/rng.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>

#include "tests/support/catch.hpp"
#include "tiny.hpp"

using namespace modelgrow;

namespace {

/// Difference between the small and the grown model in double; `float_error` receives the one in float.
double change(const tiny::Config& c, const Plan& p, double* float_error = nullptr, std::uint64_t seed = 1) {
  const auto w = tiny::random_state(p.source(), seed);
  const auto grown = tiny::from_dict(grow_weights(p, tiny::to_dict<double>(p.source(), w)));
  if (float_error) {
    const auto g = tiny::from_dict(grow_weights(p, tiny::to_dict<float>(p.source(), w)));
    *float_error = tiny::distance(tiny::forward_float(c, w), tiny::forward_float(tiny::config_of(p.schema()), g));
  }
  return tiny::distance(tiny::forward(c, w), tiny::forward(tiny::config_of(p.schema()), grown));
}

}  // namespace

TEST_CASE("every operator keeps the function") {
  const tiny::Config c;
  const auto s = tiny::schema(c);
  const double noise = GENERATE(0.0, 20.0, 10.0);
  std::vector<Plan> plans;
  plans.push_back(plan(s, InsertBlocks{.every = 1}));
  plans.push_back(plan(s, InsertBlocks{.at = {1, 2, 2}}));
  plans.push_back(plan(s, InsertBlocks{.count = 3, .placement = Placement::prefix}));
  plans.push_back(plan(s, InsertBlocks{.count = 3, .placement = Placement::suffix}));
  plans.push_back(plan(s, InsertBlocks{.count = 3}));
  for (std::int64_t to : {6, 7, 10, 13, 23})
    for (auto splits : {Splits::even, Splits::dyadic})
      plans.push_back(plan(s, Net2Wider{.space = "ffn", .to = to, .noise_db = noise, .seed = 5, .splits = splits}));
  for (std::int64_t to : {12, 18, 24, 30})
    for (auto splits : {Splits::even, Splits::dyadic})
      plans.push_back(plan(s, Net2Wider{.space = "hidden", .to = to, .noise_db = noise, .splits = splits}));
  plans.push_back(plan(s, Net2Wider{.space = "heads", .to = 4, .noise_db = noise}));
  plans.push_back(plan(s, Net2Wider{.space = "ffn", .to = 12, .noise_db = noise}, InsertBlocks{.every = 1},
                       Net2Wider{.space = "hidden", .to = 12, .noise_db = noise},
                       Net2Wider{.space = "ffn", .to = 31, .noise_db = noise, .seed = 2}, InsertBlocks{.at = {2}}));
  for (const auto& p : plans) {
    double in_float = 0;
    CHECK(change(c, p, &in_float) <= 1e-12);
    CHECK(in_float <= 1e-5);
    CHECK(p.certificate().exactness == Exactness::exact);
  }
}

TEST_CASE("noise tells copies apart, and equal copies stay equal without it") {
  const tiny::Config c;
  const auto s = tiny::schema(c);
  const auto columns = [&](double noise) {
    const auto p = plan(s, Net2Wider{.space = "ffn", .to = 10, .noise_db = noise, .map = UnitMap::tiled});
    const auto g = tiny::from_dict(grow_weights(p, tiny::to_dict<double>(s, tiny::random_state(s))));
    double difference = 0, size = 0;
    for (std::size_t i = 0; i < 6; ++i)
      for (std::size_t j = 0; j < 5; ++j) {
        const auto& w = g.find("blocks.0.mlp.fc2.weight")->second;
        difference += std::pow(w[i * 10 + j] - w[i * 10 + 5 + j], 2) / 2;
        size += std::pow(w[i * 10 + j] + w[i * 10 + 5 + j], 2) / 2;
      }
    return std::sqrt(difference / size);
  };
  CHECK(columns(0) == 0);
  CHECK_THAT(20 * std::log10(columns(20)), WithinAbs(-20, 2));
  CHECK_THAT(20 * std::log10(columns(30)), WithinAbs(-30, 2));
}

TEST_CASE("random plans over random schemas keep the function") {
  const Rng rng(7);
  std::uint64_t at = 0;
  const auto pick = [&](std::int64_t low, std::int64_t high) {
    return low + std::int64_t(rng.below(at++, std::uint64_t(high - low + 1)));
  };
  for (int round = 0; round < 60; ++round) {
    tiny::Config c{.hidden = pick(2, 6),
                   .heads = pick(1, 3),
                   .head_dim = pick(1, 3),
                   .ffn = pick(1, 7),
                   .depth = pick(1, 3),
                   .text = pick(0, 1) * pick(1, 4),
                   .conv = pick(0, 1) == 1};
    Plan p(tiny::schema(c));
    std::string story;
    for (int step = 0; step < 4; ++step) {
      const double noise = pick(0, 1) ? double(pick(10, 40)) : 0.0;
      const auto splits = pick(0, 1) ? Splits::even : Splits::dyadic;
      const auto& schema = p.schema();
      switch (pick(0, 3)) {
        case 0: {
          const std::int64_t n = schema.stack("blocks").count;
          p.insert("blocks", pick(1, n), pick(0, n - 1));
          break;
        }
        case 1: {
          const std::int64_t n = schema.space("ffn").space.size;
          p.apply(Net2Wider{
              .space = "ffn", .to = n + pick(1, n), .noise_db = noise, .seed = std::uint64_t(round), .splits = splits});
          break;
        }
        case 2: {
          const std::int64_t n = schema.space("hidden").space.size;
          if (n > 20) break;
          p.apply(Net2Wider{.space = "hidden",
                            .to = n * pick(2, 3),
                            .noise_db = noise,
                            .seed = std::uint64_t(round),
                            .splits = splits});
          break;
        }
        default: {
          // An arbitrary map of ffn with arbitrary splits.
          SpaceMap m{.space = "ffn", .old_size = schema.space("ffn").space.size, .from = {}, .split = {}};
          for (std::int64_t i = 0; i < m.old_size; ++i) m.from.push_back(m.old_size - 1 - i);
          for (std::int64_t extra = pick(0, 6); extra > 0; --extra) m.from.push_back(pick(0, m.old_size - 1));
          std::vector<double> raw, sum(std::size_t(m.old_size), 0.0);
          for (auto i : m.from) {
            raw.push_back(0.1 + rng.uniform(at++));
            sum[std::size_t(i)] += raw.back();
          }
          for (std::size_t j = 0; j < m.from.size(); ++j) m.split.push_back(raw[j] / sum[std::size_t(m.from[j])]);
          p.remap({m}, Noise{.db = noise, .seed = std::uint64_t(round)});
        }
      }
    }
    double in_float = 0;
    const double in_double = change(c, p, &in_float, std::uint64_t(round));
    INFO("round " << round);
    CHECK(in_double <= 1e-12);
    CHECK(in_float <= 1e-5);
  }
}
