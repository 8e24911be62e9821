// SPDX-License-Identifier: MIT
// A schema is a model without its numbers: every parameter with its axes, the stacks of blocks, the spaces and their
// rules.
#pragma once
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <modelgrow/core/describe.hpp>
#include <modelgrow/core/expression.hpp>
#include <modelgrow/core/graft.hpp>
#include <modelgrow/core/names.hpp>

namespace modelgrow::inline v0 {

/// One parameter of a schema; its shape follows from its axes.
struct ParamSpec {
  std::string name;
  DType dtype = DType::f32;
  ParamInfo info;
  Shape shape() const { return shape_of(info.axes); }
  bool operator==(const ParamSpec&) const = default;
};
/// A list of equal blocks named "<name>.<i>.".
struct StackSpec {
  std::string name;
  std::int64_t count = 0;
  StackRules rules = {};
  std::string alias = {};  // the family's own name of the stack, by which formulas call it, where files have another
  const std::string& size_name() const { return alias.empty() ? name : alias; }
  bool operator==(const StackSpec&) const = default;
};
/// A space with what the family says about growing it.
struct SpaceSpec {
  Space space;
  SpaceRules rules = {};
  bool operator==(const SpaceSpec&) const = default;
};

/// Keys of config.json with their new values as JSON text.
using ConfigPatch = std::vector<std::pair<std::string, std::string>>;

/// A key of config.json whose value is a formula of sizes: a whole number, or with a divisor a ratio. For a key that is
/// null the class takes `otherwise`.
struct ConfigRule {
  std::string key;
  Expression value, divisor = {}, otherwise = {};
  bool operator==(const ConfigRule&) const = default;
};
/// A key of config.json that lists block numbers. `with`: the blocks of `stack` that have this tensor. Otherwise entry
/// g is the block of `stack` that block g of `guests` feeds.
struct BlockList {
  std::string key, stack, with, guests;
  std::vector<std::int64_t> blocks;
  bool operator==(const BlockList&) const = default;
};
/// A size that the upstream class computes and cannot be told: growth that breaks it cannot be loaded there.
struct StockRule {
  std::string name;
  Expression value;
  std::string because;
  bool operator==(const StockRule&) const = default;
};

/// The epsilon of the norms across a space, as config.json has it.
struct Epsilon {
  std::string key, space;
  double value = 0;
  bool operator==(const Epsilon&) const = default;
};

/// Parameters, stacks and spaces of one model, where it takes layers, and how its configuration says so.
struct Schema {
  std::string family;
  std::vector<ParamSpec> parameters;
  std::vector<StackSpec> stacks;
  std::vector<SpaceSpec> spaces;
  Sizes constants = {};                   // sizes that never grow and that config.json or the class computes with
  std::vector<ConfigRule> config = {};    // keys of config.json that follow from sizes
  std::vector<BlockList> lists = {};      // keys of config.json that hold block numbers
  std::vector<Epsilon> epsilons = {};     // keys of config.json that hold the epsilons of norms
  std::vector<StockRule> stock = {};      // what the upstream class insists on
  std::vector<std::string> remarks = {};  // what people should know who grow this family
  std::vector<PortSpec> ports = {};       // where grafts can go
  std::vector<GraftRecord> grafts = {};   // layers that growth added
  TextInput text_input = {};              // where the text enters; no axes: not known
  std::string positions = {};             // of a family that stores none: what computes them, and from what
  /// The keys of config.json that follow from a (grown) schema of this family; empty when there is no config.json.
  std::function<ConfigPatch(const Schema&)> config_patch = {};
  /// Reads a checkpoint of this family again, from its names and config.json, to prove that a grown one is what the
  /// plan promised; empty where nothing can.
  std::function<Schema(const Names&, std::string_view config, const std::string& where)> reader = {};

  /// Sizes of everything that has one: spaces, stacks, constants.
  Sizes sizes() const;

  const ParamSpec* find(std::string_view name) const;
  /// Throws plan_error that lists the spaces there are.
  const SpaceSpec& space(std::string_view name) const;
  /// Throws plan_error that lists the stacks there are.
  const StackSpec& stack(std::string_view name) const;
  /// Throws plan_error that lists the ports there are.
  const PortSpec& port(std::string_view name) const;
  /// A port with the sizes of this model. Throws plan_error as port().
  Port resolved_port(std::string_view name) const;
  std::int64_t trained_elements() const;
};

/// Finds many parameters of a schema by name, which Schema::find() would search one after the other. Valid as long as
/// its parameters stay as they are.
class ParameterIndex {
 public:
  explicit ParameterIndex(const std::vector<ParamSpec>& parameters) {
    by_name_.reserve(parameters.size());
    for (const auto& p : parameters) by_name_.emplace(p.name, &p);
  }
  explicit ParameterIndex(const Schema& schema) : ParameterIndex(schema.parameters) {}
  const ParamSpec* find(std::string_view name) const {
    const auto it = by_name_.find(name);
    return it == by_name_.end() ? nullptr : it->second;
  }

 private:
  std::unordered_map<std::string_view, const ParamSpec*> by_name_;
};

/// The schema of a live model (or of one on Meta); the model type names its family, and may offer ports(model),
/// grafts(model), text_input(model) and config_patch(model).
template <class M>
requires requires { M::family; }
Schema schema(const M& model) {
  Schema s;
  s.family = M::family;
  if constexpr (requires { M::ports(model); }) s.ports = M::ports(model);
  if constexpr (requires { M::grafts(model); }) s.grafts = M::grafts(model);
  if constexpr (requires { M::text_input(model); }) s.text_input = M::text_input(model);
  if constexpr (requires { M::config_patch(model); }) s.config_patch = M::config_patch(model);
  Walk walk(
      [&]<class P>(const std::string& path, const P& p) {
        using T = std::remove_cvref_t<decltype(*p.value.data())>;
        s.parameters.push_back(ParamSpec{.name = path, .dtype = dtype_of<T>, .info = p.info});
      },
      [&](const std::string& name, std::int64_t count, const StackRules& rules) {
        s.stacks.push_back(StackSpec{.name = name, .count = count, .rules = rules});
      },
      [&](const Space& space, const SpaceRules& rules) {
        s.spaces.push_back(SpaceSpec{.space = space, .rules = rules});
      });
  M::describe(model, walk);
  return s;
}

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/core/schema_inl.hpp>
#endif
