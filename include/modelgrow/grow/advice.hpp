// SPDX-License-Identifier: MIT
// How to grow a model to a given size: the operators that did best in docs/growth-study.md, and the rows of its tables
// that say so.
#pragma once
#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include <modelgrow/grow/inspect.hpp>

namespace modelgrow::inline v0 {

/// What somebody has and wants.
struct AdviceWish {
  double times = 2;
  double trained = 1;
  bool approximate = false;  // also what changes the function at first

  static void describe(auto& self, auto& v) {
    v("times", self.times, "parameters of the grown model over those of the old one");
    v("trained", self.trained, "share of the training that is over; 1: the model is finished");
  }
};

/// A sentence and the rows of docs/growth-study.md that it rests on.
struct Reason {
  std::string text, rows;
};

struct Advice {
  std::vector<OperatorCall> calls;
  std::int64_t elements = 0, grown = 0;  // trained ones, before and after
  std::vector<Reason> reasons;
};

namespace detail {

/// Elements after the calls; nothing where they are refused.
inline std::optional<std::int64_t> elements_after(const Schema& schema, const std::vector<OperatorCall>& calls,
                                                  bool approximate) {
  try {
    Plan grown = plan(schema, accept_conditions);
    if (approximate) grown.apply(allow_approximate);
    for (const auto& c : calls) c.apply(grown);
    return grown.schema().trained_elements();
  } catch (const plan_error&) {
    return std::nullopt;
  }
}

/// New blocks, at most three for each old one, in the stack that holds most of the model.
inline std::optional<InsertBlocks> deeper(const Schema& schema, const Inspection& in, double wanted, bool approximate) {
  if (in.stacks.empty()) return std::nullopt;
  const auto& most = *std::ranges::max_element(in.stacks, {}, [](const auto& s) { return s.elements; });
  InsertBlocks op{.stack = in.stacks.size() == 1 ? "" : join(Plan(schema).paired(most.name), '+'), .count = 1};
  const auto one = elements_after(schema, {OperatorCall(op)}, approximate);
  if (!one) return std::nullopt;
  const double blocks = (wanted - double(in.elements)) / double(*one - in.elements);
  op.count = std::min(std::int64_t(std::llround(blocks)), 3 * most.size);
  return op.count > 0 ? std::optional(op) : std::nullopt;
}

/// Wider MLPs, for what blocks do not reach.
inline std::optional<Net2Wider> wider(const Schema& schema, const std::vector<OperatorCall>& calls, double wanted,
                                      bool approximate) {
  const auto is_ffn = [](const SpaceSpec& s) { return s.space.name == "ffn"; };
  if (std::ranges::none_of(schema.spaces, is_ffn)) return std::nullopt;
  std::optional<Net2Wider> best;
  double distance = std::abs(wanted - double(*elements_after(schema, calls, approximate)));
  for (Net2Wider op{.space = "ffn", .noise_db = 20, .times = 1.5}; op.times <= 8; op.times += 0.5) {
    auto all = calls;
    all.emplace_back(op);
    const auto after = elements_after(schema, all, approximate);
    if (!after || std::abs(wanted - double(*after)) >= distance) continue;
    distance = std::abs(wanted - double(*after));
    best = op;
  }
  return best;
}

inline const Reason why_blocks{
    "blocks before width: grown from a quarter of the blocks the model ended below one trained at full size from "
    "nothing, grown from half the width above",
    "a-screen: scratch; 1 at 0.5; half width at 0.5"};
inline const Reason why_closed{"closed copies, which change nothing at first, ended below copies that are open",
                               "a-screen: 1 at 0.5; 1 at 0.5, plain"};
inline const Reason why_random{"random blocks, which change the function at first, ended lowest",
                               "a-screen: 1 at 0.5; 1 at 0.5, random"};
inline const Reason why_mlps{
    "wider MLPs only for what blocks do not reach, since they alone ended above a model trained at full size from "
    "nothing; with noise, so that copies part",
    "a-screen: scratch; half MLPs at 0.5"};
inline const Reason why_carried{
    "moments of the optimizer are carried along, as they are by default: zeroed ones ended higher",
    "a-screen: 1 at 0.5; 1 at 0.5, zeroed"};
inline const Reason why_finished{
    "a finished model that has no room left: grown and trained on it ended below itself trained on, and below LoRA, at "
    "equal compute",
    "b-final: expansion; continued; adapted"};
inline const Reason why_now{
    "grow while the rate is constant, and let it fall afterwards: at half of the steps the model ended 55 % below one "
    "trained at full size with the same compute",
    "a-equal: scratch; 1 at 0.5"};

}  // namespace detail

/// How to grow `schema` to about wish.times its parameters. Throws option_error for a wish that makes no sense, and
/// plan_error where neither blocks nor MLPs come near.
inline Advice advise(const Schema& schema, const AdviceWish& wish) {
  if (!(wish.times > 1) || !(wish.times <= 16))
    throw option_error("advice: times=" + detail::to_word(wish.times) +
                       " is no growth; give how many times the parameters, above 1 and at most 16");
  if (!(wish.trained >= 0) || !(wish.trained <= 1))
    throw option_error("advice: trained=" + detail::to_word(wish.trained) +
                       " is no share of the training; give 0 to 1, where 1 is a finished model");
  const Inspection in = inspect(schema);
  Advice advice{.calls = {}, .elements = in.elements, .reasons = {}};
  const double wanted = wish.times * double(in.elements);
  if (auto blocks = detail::deeper(schema, in, wanted, wish.approximate)) {
    if (wish.approximate) blocks->start = BlockStart::random;
    advice.calls.emplace_back(*blocks);
    advice.reasons.push_back(detail::why_blocks);
    advice.reasons.push_back(wish.approximate ? detail::why_random : detail::why_closed);
  }
  if (const auto mlp = detail::wider(schema, advice.calls, wanted, wish.approximate)) {
    advice.calls.emplace_back(*mlp);
    advice.reasons.push_back(detail::why_mlps);
  }
  if (advice.calls.empty())
    throw plan_error(
        "advice: no blocks and no wider MLPs bring '" + schema.family +
        "' nearer to times=" + detail::to_word(wish.times) +
        " than it is; ask for more, or see `modelgrow inspect` for what can grow, and why the rest is refused");
  advice.grown = *detail::elements_after(schema, advice.calls, wish.approximate);
  if (wish.approximate) advice.calls.insert(advice.calls.begin(), OperatorCall(allow_approximate));
  try {
    plan(schema, advice.calls);
  } catch (const plan_error&) {  // it is exact under conditions, which the plan names
    advice.calls.insert(advice.calls.begin(), OperatorCall(accept_conditions));
  }
  advice.reasons.push_back(detail::why_carried);
  advice.reasons.push_back(wish.trained < 1 ? detail::why_now : detail::why_finished);
  return advice;
}

inline std::ostream& operator<<(std::ostream& os, const Advice& a) {
  os << "advice: from " << detail::grouped(std::uint64_t(a.elements)) << " to "
     << detail::grouped(std::uint64_t(a.grown)) << " parameters, by\n";
  for (const auto& c : a.calls) os << "  " << c.name() << (c.text().empty() ? "" : " ") << c.text() << "\n";
  os << "because (docs/growth-study.md)\n";
  for (const auto& r : a.reasons) os << "  * " << r.text << " [" << r.rows << "]\n";
  return os;
}

}  // namespace modelgrow::inline v0
