// SPDX-License-Identifier: MIT
// What is to be known of an optimizer so that its state grows with its parameters: how each entry follows, and what
// keeps the trajectory. One rule an optimizer, one file a rule or a family of them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/checkpoint/optimizer_names.hpp>
#include <modelgrow/core/shape.hpp>
#include <modelgrow/grow/recipe.hpp>

namespace modelgrow::inline v0 {

/// How the numbers of an entry follow the parameter, whose gradient becomes GF times what it was: times GF; times its
/// square; as the weight does; as they are, since the size of the gradient was taken out of them; or they count steps.
enum class Moves { as_gradient, as_square, as_weight, unscaled, counted };
constexpr auto words_of(Moves) {
  return std::array<std::string_view, 5>{"GF", "GF^2", "as the weight", "not scaled", "counts"};
}

/// The shape of an entry: the parameter's; flat; a mean over one of its last two axes, which has size 1 then or is
/// missing; or one number.
enum class EntryForm { whole, flat, last_is_one, second_last_is_one, without_last, without_second_last, number };

/// Which parameters have an entry.
enum class EntryRanks { all, vectors, matrices };  // vectors: fewer than two axes

/// One entry of the state of a parameter, by the name that its package gives it.
struct StateEntry {
  std::string_view name;
  Moves moves = Moves::as_gradient;
  EntryForm form = EntryForm::whole;
  EntryRanks of = EntryRanks::all;
  enum class Presence { always, sometimes } presence = Presence::always;  // sometimes: an option of the optimizer
  double start = 0;                                                       // of a counter
};

/// What a step is proportional to beside the rate: nothing; the gradient; the root mean square of the weights; or it is
/// orthogonal, with the factor max(1, rows/columns)^1/2 or 0.2 max(rows, columns)^1/2 on the rate.
enum class StepLike { nothing, gradient, weights, orthogonal, orthogonal_rms };

/// Where weight decay goes: into the gradient, or beside the step, times the rate.
enum class DecayKind { coupled, decoupled };

/// What of its rule holds only under a condition, and why.
struct Reservations {
  std::string_view ever = {};           // APPROXIMATE, whatever grows
  std::string_view wider = {};          // APPROXIMATE where a space grows
  std::string_view condition = {};      // EXACT-IF it holds, where a space grows
  std::string_view uneven_units = {};   // APPROXIMATE where some units have more copies than others
  std::string_view uneven_shares = {};  // APPROXIMATE where the copies of a unit have different shares of its weights
};

/// What a new parameter meets in the middle of a run.
enum class Newcomer {
  own_counter,    // steps are counted for each parameter: as in a new run
  no_counter,     // nothing is counted: as in a new run
  group_counter,  // the group counts: the first step has another size
};

/// The counter and the settings of a group at the time of the first step of a new parameter.
struct GroupClock {
  std::int64_t steps = 0;  // that the group has made
  double beta1 = 0.9, beta2 = 0.999;
};

/// How the state of one optimizer grows.
struct OptimizerRule {
  Optimizer optimizer = Optimizer::adamw;
  std::string_view of;  // class and package, for people
  std::vector<StateEntry> entries;
  StepLike step = StepLike::nothing;
  bool epsilon = false;  // is added to what is as large as the gradient, and follows it
  DecayKind decay = DecayKind::decoupled;
  Reservations reservations = {};
  Newcomer newcomer = Newcomer::own_counter;
  double (*first_step)(const GroupClock&) = nullptr;  // of a newcomer to a group that counts, in rates
  bool one_rate = false;                              // groups cannot have rates of their own
  bool makes_new = true;                              // the state of new parameters is written; else it is left out
  std::string_view remark = {};
};

/// The rule of an optimizer; one specialisation each, in a file of its own or of its family.
template <Optimizer>
OptimizerRule optimizer_rule() = delete;

/// The shape of an entry of a parameter of this shape.
inline Shape state_shape(EntryForm form, const Shape& parameter) {
  if (form == EntryForm::number) return {};
  if (form == EntryForm::flat) return Shape{numel(parameter)};
  const int last = parameter.rank() - 1;
  const bool first_of_two = form == EntryForm::second_last_is_one || form == EntryForm::without_second_last;
  const bool missing = form == EntryForm::without_last || form == EntryForm::without_second_last;
  Shape shape;
  for (int a = 0; a <= last; ++a)
    if (form == EntryForm::whole || a != last - first_of_two)
      shape.push_back(parameter[a]);
    else if (!missing)
      shape.push_back(1);
  return shape;
}
/// The axis that an entry is a mean over; -1: none.
inline int averaged_axis(EntryForm form, int rank) {
  if (form == EntryForm::last_is_one || form == EntryForm::without_last) return rank - 1;
  if (form == EntryForm::second_last_is_one || form == EntryForm::without_second_last) return rank - 2;
  return -1;
}
/// Whether a parameter of this rank has the entry.
constexpr bool has_entry(const StateEntry& e, int rank) {
  return e.of == EntryRanks::all || (e.of == EntryRanks::matrices) == (rank >= 2);
}
constexpr Of of_entry(Moves m) {
  constexpr Of of[] = {Of::first_moment, Of::second_moment, Of::weights, Of::updates, Of::weights};
  return of[static_cast<int>(m)];
}

/// What every optimizer may have beside its entries: weights in full precision, and the factors that keep the
/// trajectory (`anneal`: the steps after which they are 1).
inline constexpr StateEntry master_entry{.name = "master", .moves = Moves::as_weight};
constexpr bool is_factor(std::string_view entry) {
  return entry == "lr" || entry == "eps" || entry == "decay" || entry == "anneal";
}
/// Multipliers of the rate do not reach the decay of this library's AdamW, which has no factor for it.
inline bool has_factor(const OptimizerRule& rule, std::string_view entry) {
  return is_factor(entry) && !(rule.optimizer == Optimizer::adamw && entry == "decay");
}
/// The entry of this name, or nullptr.
inline const StateEntry* find_entry(const OptimizerRule& rule, std::string_view entry) {
  for (const auto& e : rule.entries)
    if (e.name == entry) return &e;
  return entry == master_entry.name ? &master_entry : nullptr;
}

}  // namespace modelgrow::inline v0
