// SPDX-License-Identifier: MIT
// One list of parameters per layer: `static void describe(auto& self, auto& v)` names children and parameters, and
// every use (initialise, count, load, save, optimise, average, freeze, schema, growth) is a visitor over it.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <modelgrow/core/parameter.hpp>

namespace modelgrow::inline v0 {

/// What a family knows about growing one of its stacks.
struct StackRules {
  std::int64_t first_insertion = 0;  // new blocks may not come before this one,
  std::string because = {};          // which is the reason
  /// Axes that the blocks add to ("hidden"), as text; none: what the closing parameters of the stack write.
  std::vector<std::string> streams = {};
  std::string paired_with = {};              // a stack of the same length whose blocks take turns with these
  std::string last_is_special = {};          // why the last block is of another kind: nothing may come behind it
  std::string never_identity = {};           // why no inserted block is the identity, however it is closed
  std::vector<std::string> first_only = {};  // what block 0 alone has ("proj_in.weight"): never copied
  std::int64_t period = 1;                   // kinds of blocks take turns: new ones come in runs of a multiple of this
  bool operator==(const StackRules&) const = default;
};

/// How units of a space may be copied.
enum class Copies {
  any,
  uniform,  // the same number of copies of each: a norm runs across the space
  spread,   // unit j becomes unit k*j, and what reads the units between starts at zero: a ladder of frequencies
  never,
  channels,   // of the data: none is a copy, new ones are silent
  positions,  // of a table: interpolated, not copied
  in_heads,   // channels of a head: the softmax is scaled by their number, so only GrowHeadDim adds some
};
/// Whether copies of units are a way to grow a space at all.
constexpr bool by_copies(Copies c) { return c == Copies::any || c == Copies::uniform || c == Copies::spread; }

/// Why copies are no way to grow spaces of this kind, whatever the family; empty where they are, or where it differs.
constexpr std::string_view reason_of(Copies c) {
  return c == Copies::channels    ? "they are channels of the data; GrowChannels adds some"
         : c == Copies::positions ? "they are positions of a table; InterpolatePositions has more of them"
         : c == Copies::in_heads  ? "the softmax is scaled by their number; GrowHeadDim adds some"
                                  : "";
}

/// How positions turn the channels of a head: neighbours in pairs, or the first half with the second; and which parts
/// of it, as formulas of its size, have frequencies of their own.
struct Rotary {
  enum class Pairs { none, neighbours, halves } pairs = Pairs::none;
  std::vector<std::string> sections = {};
  bool operator==(const Rotary&) const = default;
};

/// What a family knows about one of its spaces beyond its size.
struct SpaceRules {
  Copies copies = Copies::any;
  std::string because = {};   // the layer that asks for uniform copies, or why none are possible, for error messages
  std::string tied_to = {};   // a space that must grow by the same factor (config cannot express anything else)
  std::string exact_if = {};  // what must hold for growth of this space to be exact, when that is not in the weights
  Rotary rotary = {};         // of channels of a head whose frequencies follow from their number
  bool rms_only = false;      // all norms across it are RMSNorms (none takes a mean) whose gains say that they are
  bool interleaved = false;   // copies stand beside their unit: vectors of this space are laid end to end
  bool operator==(const SpaceRules&) const = default;
};

/// Walks a module and calls `on_parameter(path, parameter)`; stacks and spaces are reported when asked for.
template <class OnParameter, class OnStack, class OnSpace>
class Walk {
 public:
  Walk(OnParameter p, OnStack s, OnSpace x) : on_parameter_(p), on_stack_(s), on_space_(x) {}

  void operator()(std::string_view name, auto& parameter) { on_parameter_(prefix_ + std::string(name), parameter); }
  void child(std::string_view name, auto& module) {
    const auto keep = prefix_.size();
    prefix_.append(name).push_back('.');
    std::remove_cvref_t<decltype(module)>::describe(module, *this);
    prefix_.resize(keep);
  }
  template <class M>
  void child(std::string_view name, std::optional<M>& module) {
    if (module) child(name, *module);
  }
  template <class M>
  void child(std::string_view name, const std::optional<M>& module) {
    if (module) child(name, *module);
  }
  void stack(std::string_view name, auto& modules, const StackRules& rules = {}) {
    on_stack_(prefix_ + std::string(name), std::int64_t(modules.size()), rules);
    for (std::size_t i = 0; i < modules.size(); ++i) child(std::string(name) + "." + std::to_string(i), modules[i]);
  }
  void space(const Space& s, const SpaceRules& rules) { on_space_(s, rules); }

 private:
  OnParameter on_parameter_;
  OnStack on_stack_;
  OnSpace on_space_;
  std::string prefix_;
};

/// Calls f(path, parameter) for every parameter and buffer, in the order of the description.
template <class M, class F>
void for_each_parameter(M& model, F&& f) {
  auto nothing = [](const auto&...) {};
  Walk walk([&]<class P>(const std::string& path, P& p) { f(path, p); }, nothing, nothing);  // nvcc 13 refuses auto&
  std::remove_cvref_t<M>::describe(model, walk);
}

/// Number of trained scalars (buffers excluded), as papers count parameters.
std::int64_t count_parameters(const auto& model) {
  std::int64_t n = 0;
  for_each_parameter(model, [&](const std::string&, const auto& p) {
    if (is_trained(p.info.purpose)) n += p.value.size();
  });
  return n;
}

}  // namespace modelgrow::inline v0
