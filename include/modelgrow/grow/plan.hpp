// SPDX-License-Identifier: MIT
// A plan is a schema and a list of verbs applied to it. It knows, for every parameter of the grown model, where its
// numbers come from; it holds none itself, so the same plan grows files, live models, gradients, moments and averages.
#pragma once
#include <algorithm>
#include <concepts>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/core/names.hpp>
#include <modelgrow/core/progress.hpp>
#include <modelgrow/grow/recipe.hpp>
#include <modelgrow/grow/verbs.hpp>

namespace modelgrow::inline v0 {

class Checkpoint;
class Plan;
struct Report;
struct WritePlan;

/// A growth operator: a name, and an edit of a plan by its verbs. Users write their own.
template <class O>
concept Operator = requires(const O& o, Plan& p) {
  { O::name } -> std::convertible_to<std::string_view>;
  { o.apply(p) } -> std::same_as<void>;
};

/// The steps that turn one schema into another. Every verb checks its arguments, throws plan_error and then leaves the
/// plan as it was; approximate steps are refused unless allow_approximate() was said before.
class Plan {
 public:
  /// Throws plan_error for a schema that contradicts itself (names twice, spaces of two sizes or undeclared).
  explicit Plan(Schema source);

  const Schema& source() const { return source_; }
  /// The grown schema, so far.
  const Schema& schema() const { return schema_; }
  const std::vector<Step>& steps() const { return steps_; }

  /// Grows spaces that are tied to each other, in one step; most often just one. New rows from the next block are
  /// approximate; the last block keeps its own.
  void remap(std::vector<SpaceMap> maps, const Noise& noise = {}, NewRows rows = NewRows::own);
  /// Before block `at` comes a copy of block `like` whose closing parameters, weights and biases, are zero; `run`
  /// blocks at once where kinds take turns. A stack that is paired with this one grows along. Places are in ascending
  /// order and numbered as they are before the insertion; many of them cost little more than one. Copies that are not
  /// closed, and random blocks, are approximate.
  void insert(std::string_view stack, std::vector<Insert::Place> places, std::int64_t run = 1,
              BlockStart start = BlockStart::closed, std::uint64_t seed = 0);
  void insert(std::string_view stack, std::int64_t at, std::int64_t like, std::int64_t run = 1) {
    insert(stack, std::vector{Insert::Place{.at = at, .like = like}}, run);
  }
  /// New parameters; inside a block they need a closing parameter that starts at zero.
  void add(std::vector<ParamSpec> parameters, std::vector<SpaceSpec> spaces = {}, std::uint64_t seed = 0) {
    say(Add{.parameters = std::move(parameters), .spaces = std::move(spaces), .seed = seed});
  }
  /// What reads states reads other ones through a map.
  void fill(const Fill& verb);
  /// Layers become mixtures of experts.
  void upcycle(const Upcycle& verb);
  /// What the whole growth does with the state of optimizers, wherever in the plan it is said.
  void move_state(const MoveState& verb);
  const MoveState& moves_state() const { return moves_state_; }
  void rename(std::string_view from, std::string_view to);
  void drop(std::string_view name, std::string_view because = {});
  /// Parameter `name`, which may be new, takes its values from `to`.
  void tie(std::string_view name, std::string_view to);
  void allow(Allow::What what);
  bool allows(Allow::What what) const { return std::find(allowed_.begin(), allowed_.end(), what) != allowed_.end(); }
  bool approximate_allowed() const { return allows(Allow::What::approximate); }
  /// Says a verb that is held as data.
  void say(const Verb& verb);
  /// Applies an operator; its steps carry its name. Strong guarantee: a plan_error leaves the plan as it was.
  template <Operator O>
  Plan& apply(const O& op) {
    Plan next = *this;
    next.begin(O::name);
    op.apply(next);
    next.begin({});
    return *this = std::move(next);
  }
  /// Names the operator that says the next verbs.
  void begin(std::string_view by) {
    by_ = by;
    ++call_;
  }

  /// Spaces that must grow together with this one, itself first.
  std::vector<std::string> tied(std::string_view space) const;
  /// Stacks that must grow together with this one, itself first.
  std::vector<std::string> paired(std::string_view stack) const;
  /// How parameter i of schema() is made.
  Recipe recipe(std::size_t i) const;
  std::vector<Recipe> recipes() const;
  /// The name of a tensor that the schema does not know: it stays with its block.
  std::string follow(std::string name) const;
  /// The worst claim of all steps about the function, or about gradients and moments.
  Certificate certificate() const;
  Certificate trajectory() const;
  /// Why the upstream class cannot load the grown model: the sizes that it computes and cannot be told. Empty: it can,
  /// as far as is known.
  std::string upstream_cannot() const;
  /// New block -> old block of a stack, -1 for new ones: what lives outside of the folder must follow (guidance and
  /// skip lists, cache settings).
  std::vector<std::int64_t> block_map(std::string_view stack) const;
  /// What people should know about this growth, beyond the certificate.
  std::vector<std::string> notes() const;

  /// Grows a checkpoint on disk: weights, optimizer, averages, config.json; all or nothing; then checks the files.
  /// Throws io_error, format_error, check_error. Defined in <modelgrow/grow/write.hpp>.
  Report write(const Checkpoint& source, const std::filesystem::path& directory) const;
  Report write(const Checkpoint& source, const std::filesystem::path& directory, const WritePlan& options) const;

 private:
  /// Random numbers in place of the source, made when the axes were these.
  struct Drawn {
    Axes axes;
    Init init;
    std::uint64_t seed = 0;
    std::string key;
  };
  /// Where the numbers of a parameter come from.
  struct Origin {
    std::int64_t source = -1;  // index in source_.parameters; or
    std::int64_t step = -1;    // the step that added it, and which of its parameters it is
    std::int64_t added = -1;
    std::vector<std::pair<std::int64_t, std::string>> touches;  // steps that remapped it, and its name then
    bool closed = false, gated = false, fresh = false;
    std::optional<Filling> filling = {};
    double share = 1;  // of the gradient
    std::optional<Drawn> drawn = {};
    std::int64_t donor = -1, donor_step = -1;  // in source_.parameters, of the rows that are new in that step
  };

  void add_all(const Add& verb);
  void check_marks() const;  // throws plan_error
  std::size_t check_filled(const std::string& name, const Fill& verb) const;
  std::int64_t check_places(const StackSpec& spec, const std::vector<Insert::Place>& places, std::int64_t run,
                            BlockStart start) const;
  void insert_copies(const std::string& stack, const Insert& verb);
  void move_lists(const std::string& stack, const std::vector<Insert::Place>& places, std::int64_t run);
  std::int64_t index_of(std::string_view name) const;  // throws plan_error with the nearest names
  void check_new(std::string_view name) const;
  static void check_added(const ParamSpec& p, const ParameterIndex& old, const Schema& next);
  static void record(Schema& schema, const GraftRecord& graft);
  void check_tied(const Remap& remap) const;
  std::vector<std::int64_t> donors(const Remap& remap) const;
  void push(Verb verb, std::string what, Certificate function, Certificate trajectory);

  Schema source_, schema_;
  std::vector<Origin> origins_;  // parallel to schema_.parameters
  std::vector<Step> steps_;
  std::string by_;
  std::int64_t call_ = 0;
  std::vector<Allow::What> allowed_;
  MoveState moves_state_;
};

/// A plan that grows `source` by these operators, in order. Throws plan_error.
Plan plan(Schema source, const Operator auto&... operators) {
  Plan p(std::move(source));
  (p.apply(operators), ...);
  return p;
}

/// The same for anything that has a schema: a live model, or a checkpoint of a known family.
template <class Source>
requires requires(const Source& s) {
  { schema(s) } -> std::same_as<Schema>;
}
Plan plan(const Source& source, const Operator auto&... operators) { return plan(schema(source), operators...); }

/// As the first operator of a plan: accept approximate steps after it.
struct AllowApproximate {
  static constexpr std::string_view name = "AllowApproximate";
  static constexpr std::string_view summary = "accept steps after it that do not keep the function";
  void apply(Plan& p) const { p.allow(Allow::What::approximate); }
};
inline constexpr AllowApproximate allow_approximate{};

/// As the first operator of a plan: accept steps that keep the function if a named condition holds, which whoever runs
/// the model has to see to.
struct AcceptConditions {
  static constexpr std::string_view name = "AcceptConditions";
  static constexpr std::string_view summary = "accept steps that keep the function under a named condition";
  void apply(Plan& p) const { p.allow(Allow::What::conditions); }
};
inline constexpr AcceptConditions accept_conditions{};

/// As an operator of a plan: accept a model that the upstream class cannot load.
struct AcceptUpstream {
  static constexpr std::string_view name = "AcceptUpstream";
  static constexpr std::string_view summary = "accept a model that the upstream class cannot load";
  void apply(Plan& p) const { p.allow(Allow::What::upstream); }
};
inline constexpr AcceptUpstream accept_upstream{};

/// Names, types and shapes of a schema, as a family infers its configuration from them.
inline Names names_of(const Schema& schema) {
  std::vector<NamedShape> entries;
  for (const auto& p : schema.parameters)
    entries.push_back(NamedShape{.name = p.name, .dtype = p.dtype, .shape = p.shape()});
  return Names(std::move(entries), "schema of " + schema.family);
}

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/plan_donors_inl.hpp>
#include <modelgrow/grow/plan_fill_inl.hpp>
#include <modelgrow/grow/plan_insert_inl.hpp>
#include <modelgrow/grow/plan_recipe_inl.hpp>
#include <modelgrow/grow/plan_state_inl.hpp>
#include <modelgrow/grow/plan_upcycle_inl.hpp>
#include <modelgrow/grow/plan_verbs_inl.hpp>
#endif
