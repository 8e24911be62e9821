// SPDX-License-Identifier: MIT
// Wider heads: MiniMax-H3 with its per-head norms and rotary positions, and a transformer without either, compute the
// same at any width of a head; forgetting a factor is seen; other families are refused.
#include <modelgrow/grow/file_check.hpp>
#include <modelgrow/grow/operators/grow_head_dim.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/operators/zero_channels.hpp>
#include <modelgrow/grow/plan_json.hpp>

#include "minimax.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using minimax::change;
using minimax::grown;
using modelgrow::testing::message_of;
using modelgrow::testing::says;
using tiny::State;

namespace {

double residual(const Plan& p, const State<double>& w) {
  const auto old = tiny::to_dict<double>(p.source(), w);
  const auto now = grow_weights(p, old);
  const auto before = modelgrow::detail::views_of(old), after = modelgrow::detail::views_of(now);
  return check_weights(p, TensorSet(before, "old"), TensorSet(after, "new")).max_residual;
}

/// The transformer of tiny.hpp, fused queries, keys and values and no norm of them, with head_dim as a space.
Schema plain(const tiny::Config& c = {.text = 3}) {
  Schema s = tiny::schema(c);
  for (auto& p : s.parameters) {
    for (auto& a : p.info.axes)
      for (auto& term : a.extent.terms())
        for (std::size_t i = 1; i < term.size(); ++i)
          if (term[i - 1].name == "heads" && term[i].name.empty()) term[i].name = "head_dim";
    p.info.silencing.query = p.name.find("qkv") != p.name.npos || p.name.find("cross.q.") != p.name.npos;
    if (p.name.find("qkv") != p.name.npos) p.info.silencing.queries = {0};
  }
  s.spaces.push_back(
      SpaceSpec{.space = {.name = "head_dim", .size = c.head_dim}, .rules = {.copies = Copies::in_heads}});
  return s;
}
double change_of_plain(const Plan& p) {
  const auto w = tiny::random_state(p.source());
  return tiny::distance(tiny::forward({.text = 3}, w), tiny::forward(tiny::config_of(p.schema()), grown(p, w)));
}

/// One attention as Wan's: norms of queries and keys across all heads, positions along three axes that turn pairs of
/// channels, 2 * (n / 6) of n channels each for the second and third.
struct Turned {
  static constexpr std::size_t heads = 2, width = 5, tokens = 4;
  Rotary::Pairs pairs = Rotary::Pairs::neighbours;
  double eps = 1e-3;

  Schema schema(std::int64_t channels) const {
    const Space head{.name = "heads", .size = heads}, inside{.name = "head_dim", .size = channels};
    Schema s;
    s.family = "turned";
    const auto put = [&](std::string name, Axes axes, const Silencing& marks = {}) {
      s.parameters.push_back(ParamSpec{
          .name = std::move(name), .dtype = DType::f64, .info = {.axes = std::move(axes), .silencing = marks}});
    };
    const Extent inner = Extent(head) * inside;
    for (const char* name : {"q", "k", "v"}) {
      put(name + std::string(".weight"), {out(inner), in(std::int64_t(width))});
      put(name + std::string(".bias"), {each(inner)});
    }
    put("norm_q", {each(inner)}, {.gain = true, .query = true});
    put("norm_k", {each(inner)}, {.gain = true});
    put("out.weight", {out(std::int64_t(width)), in(inner)});
    s.spaces = {
        SpaceSpec{.space = head},
        SpaceSpec{.space = inside,
                  .rules = {.copies = Copies::in_heads,
                            .rotary = {.pairs = pairs, .sections = {"head_dim - 4*(head_dim/6)", "2*(head_dim/6)"}},
                            .rms_only = true}}};
    return s;
  }
  void turn(double* x, std::size_t n, std::size_t token) const {
    const std::size_t side = 2 * (n / 6), sections[] = {n - 2 * side, side, side};
    std::size_t pair = 0;
    for (std::size_t axis = 0; axis < 3; ++axis)
      for (std::size_t i = 0; i < sections[axis] / 2; ++i, ++pair) {
        const double angle =
            double(token * (axis + 1) % 3 + 1) * std::pow(100.0, -2.0 * double(i) / double(sections[axis]));
        double& a = x[pairs == Rotary::Pairs::neighbours ? 2 * pair : pair];
        double& b = x[pairs == Rotary::Pairs::neighbours ? 2 * pair + 1 : pair + n / 2];
        const double old = a;
        a = old * std::cos(angle) - b * std::sin(angle);
        b = b * std::cos(angle) + old * std::sin(angle);
      }
  }
  std::vector<double> forward(const State<double>& w) const {
    const std::size_t inner = w.at("norm_q").size(), n = inner / heads;
    std::vector<std::vector<double>> q, k, v;
    for (std::size_t t = 0; t < tokens; ++t)
      for (auto [rows, name] : {std::pair{&q, "q"}, {&k, "k"}, {&v, "v"}}) {
        auto& y = rows->emplace_back(w.at(name + std::string(".bias")));
        for (std::size_t i = 0; i < inner; ++i)
          for (std::size_t j = 0; j < width; ++j)
            y[i] += w.at(name + std::string(".weight"))[i * width + j] * std::sin(double(1 + t + 3 * j));
        if (rows == &v) continue;
        double square = eps;
        for (double x : y) square += x * x / double(inner);
        for (std::size_t i = 0; i < inner; ++i) y[i] *= w.at(std::string("norm_") + name)[i] / std::sqrt(square);
        for (std::size_t h = 0; h < heads; ++h) turn(y.data() + h * n, n, t);
      }
    std::vector<double> all;
    for (std::size_t t = 0; t < tokens; ++t) {
      std::vector<double> mixed(inner, 0.0), y(width, 0.0);
      for (std::size_t h = 0; h < inner; h += n) {
        std::vector<double> e;
        double total = 0;
        for (const auto& key : k) {
          double dot = 0;
          for (std::size_t c = h; c < h + n; ++c) dot += q[t][c] * key[c];
          total += e.emplace_back(std::exp(dot / std::sqrt(double(n))));
        }
        for (std::size_t s = 0; s < tokens; ++s)
          for (std::size_t c = h; c < h + n; ++c) mixed[c] += e[s] / total * v[s][c];
      }
      for (std::size_t i = 0; i < width; ++i)
        for (std::size_t c = 0; c < inner; ++c) y[i] += w.at("out.weight")[i * inner + c] * mixed[c];
      all.insert(all.end(), y.begin(), y.end());
    }
    return all;
  }
};

}  // namespace

TEST_CASE("MiniMax-H3 computes the same with wider heads", "[grow_head_dim]") {
  const Schema s = minimax::schema();
  const auto w = tiny::random_state(s);
  const std::vector<Plan> plans{
      plan(s, GrowHeadDim{.to = 15}), plan(s, GrowHeadDim{.to = 28}),
      plan(s, GrowHeadDim{.to = 16}, GrowHeadDim{.to = 21}),
      plan(s, ZeroChannels{.to = 37}, GrowHeadDim{.to = 20}, Net2Wider{.space = "heads", .to = 5},
           InsertBlocks{.stack = "transformer_blocks", .every = 1})};
  for (const auto& p : plans) {
    CHECK(p.certificate().exactness == Exactness::exact);
    CHECK(change(p, w, p.schema()) <= 1e-12);
    CHECK(residual(p, w) == 0);
    CHECK(to_json(plan_from_json(to_json(p), s)) == to_json(p));
  }
  Schema forgotten = plans[1].schema();
  for (auto& e : forgotten.epsilons)
    if (e.key == "qk_norm_eps") {
      CHECK(e.value == 0.5e-5);
      e.value = 1e-5;
    }
  CHECK(change(plans[1], w, forgotten) > 1e-9);
  Schema unmarked = s;
  for (auto& p : unmarked.parameters) p.info.silencing.query = false;
  const Plan naive = plan(unmarked, GrowHeadDim{.to = 28});
  CHECK(change(naive, w, naive.schema()) > 1e-4);
}

TEST_CASE("Without norms of queries any width of a head is exact, fused or not", "[grow_head_dim]") {
  const Schema s = plain();
  for (const std::int64_t to : {3, 4, 7}) {
    const Plan p = plan(s, GrowHeadDim{.to = to}, Net2Wider{.space = "ffn", .to = 9});
    CHECK(p.certificate().exactness == Exactness::exact);
    CHECK(change_of_plain(p) <= 1e-12);
    CHECK(residual(p, tiny::random_state(s)) == 0);
  }
  Schema flat = s;  // the factor on keys and values, too
  for (auto& p : flat.parameters) p.info.silencing.queries.clear();
  CHECK(change_of_plain(plan(flat, GrowHeadDim{.to = 4})) > 1e-3);
  // Only keys are zero, so that they learn at once.
  const Plan p = plan(s, GrowHeadDim{.to = 3});
  const auto g = grown(p, tiny::random_state(s));
  const auto d = tiny::gradient(tiny::config_of(p.schema()), g, 0);
  const std::size_t key = 8 * 6;  // the new channel of the keys of head 0 is row 8 of 18
  double weight = 0, gradient = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    weight += std::abs(g.at("blocks.0.attn.qkv.weight")[key + i]);
    gradient += std::abs(d.at("blocks.0.attn.qkv.weight")[key + i]);
  }
  CHECK(weight == 0);
  CHECK(gradient > 0);
}

TEST_CASE("Where positions turn channels, old ones go to their frequencies", "[grow_head_dim]") {
  for (const auto pairs : {Rotary::Pairs::neighbours, Rotary::Pairs::halves})
    for (const std::int64_t n : {12, 14, 18})
      for (const std::int64_t times : {2, 3}) {
        INFO(n << " x " << times);
        const Turned small{.pairs = pairs};
        const Schema s = small.schema(n);
        const auto w = tiny::random_state(s);
        const auto changed = [&](const Plan& p, double eps) {
          return tiny::distance(small.forward(w), Turned{.pairs = pairs, .eps = eps}.forward(grown(p, w)));
        };
        const auto growth = [&] { return plan(s, accept_conditions, GrowHeadDim{.to = times * n}); };
        if (n == 14 && times == 3) {  // 6 + 4 + 4 to 14 + 14 + 14
          CHECK(says(message_of<plan_error>(growth), "14 -> 42", "the section 'head_dim - 4*(head_dim/6)'", "6 -> 14"));
          continue;
        }
        const Plan p = growth();
        CHECK(p.certificate().exactness == Exactness::exact_if);
        CHECK(changed(p, small.eps / double(times)) <= 1e-12);
        CHECK(changed(p, small.eps) > 1e-6);
        CHECK(residual(p, w) == 0);
        Schema still = s;
        for (auto& x : still.spaces) x.rules.rotary = {};
        CHECK(changed(plan(still, accept_conditions, GrowHeadDim{.to = times * n}), small.eps / double(times)) > 1e-3);
      }
  const Schema s = Turned{}.schema(12);
  CHECK(says(message_of<plan_error>([&] { plan(s, accept_conditions, GrowHeadDim{.to = 18}); }), "12 -> 18",
             "no multiple of 12, the nearest being 24"));
}

TEST_CASE("Heads that cannot grow inside are refused", "[grow_head_dim]") {
  const auto refusal = [](const Schema& from, const auto&... ops) {
    return message_of<plan_error>([&] { plan(from, ops...); });
  };
  const Schema s = minimax::schema();
  CHECK(says(refusal(s, GrowHeadDim{.to = 14}), "'head_dim' has 14 channels; 14 would add none"));
  CHECK(says(refusal(tiny::schema({}), GrowHeadDim{.to = 8}), "family 'tiny' cannot grow inside", "in_heads"));
  CHECK(says(refusal(s, GrowHeadDim{.space = "heads", .to = 8}), "does not mark 'heads' as in_heads"));
  CHECK(says(refusal(s, Net2Wider{.space = "head_dim", .to = 28}), "the softmax is scaled by their number",
             "GrowHeadDim adds some"));
  Schema bare = s;
  bare.epsilons.clear();
  CHECK(says(refusal(bare, GrowHeadDim{.to = 28}), "only if the epsilon of the norms over 'head_dim' becomes 14/28"));
}
