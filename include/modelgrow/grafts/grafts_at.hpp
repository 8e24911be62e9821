// SPDX-License-Identifier: MIT
// How a model offers a port: one member and one call. It builds the layers that its configuration records, and no line
// of it names one.
#pragma once
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include <modelgrow/detail/fields_text.hpp>
#include <modelgrow/grafts/context.hpp>

namespace modelgrow::inline v0 {

namespace detail {
/// The record of a layer type; nothing when it is not among them.
template <class Layer>
const GraftRecord* record_of(const std::vector<GraftRecord>& records) {
  for (const auto& r : records)
    if (r.name == Layer::name) return &r;
  return nullptr;
}
template <class Layer>
typename Layer::Options options_of(const GraftRecord& r) {
  return options_from<typename Layer::Options>(read_values(r.options, r.name), r.name);
}
}  // namespace detail

/// The layers at one port: of a block, or of the model. Empty optionals cost nothing.
template <class T, Device D, template <class U, class E> class... Layers>
class GraftsAt {
 public:
  GraftsAt() = default;
  /// Those of `records` whose port this is. Throws shape_error, option_error for a record that makes no sense.
  GraftsAt(const Port& port, const std::vector<GraftRecord>& records) {
    each(*this, [&]<class L>(std::optional<L>& slot) {
      if (const auto* r = detail::record_of<L>(records); r && L::port == port.name)
        slot.emplace(port, detail::options_of<L>(*r));
    });
  }

  static void describe(auto& self, auto& v) {
    each(self, [&](auto& slot) { v.child(std::remove_cvref_t<decltype(slot)>::value_type::module, slot); });
  }
  /// x with what every layer adds, in the order of the list; in a block (`scope`) each is observed by its module.
  Var<T, D> operator()(Tape<T, D>& tape, Var<T, D> x, const GraftContext<T, D>& context, std::string_view scope = {}) {
    each(*this, [&]<class L>(std::optional<L>& slot) {
      if constexpr (acts<L>)
        if (slot) {
          x = (*slot)(tape, x, context);
          if (!scope.empty()) tape.observe(scope, L::module, x);
        }
    });
    return x;
  }
  /// Whether a call changes x.
  bool act() const {
    bool some = false;
    each(*this, [&]<class L>(const std::optional<L>& slot) {
      if constexpr (acts<L>) some = some || slot;
    });
    return some;
  }
  /// What an attention to text finds, [B,..,C], in what layers bring into it too.
  template <class Attention>
  Var<T, D> around(Tape<T, D>& tape, Attention& first, const Var<T, D>& x, const Var<T, D>& text,
                   const Tensor<std::int32_t, D>& lengths, const GraftContext<T, D>& context) {
    Var<T, D> found;
    each(*this, [&]<class L>(std::optional<L>& slot) {
      if constexpr (requires(L & l) { l.around(tape, first, x, text, lengths, context); })
        if (slot && !found.defined()) found = slot->around(tape, first, x, text, lengths, context);
    });
    return found.defined() ? found : first(tape, x, text, lengths);
  }

  /// Tokens of the first text [B,L,C] behind what layers make of them.
  Var<T, D> refine(Tape<T, D>& tape, Var<T, D> tokens, const Tensor<std::int32_t, D>& lengths,
                   const GraftContext<T, D>& context) {
    each(*this, [&]<class L>(std::optional<L>& slot) {
      if constexpr (requires(L & l) { l.refine(tape, tokens, lengths, context); })
        if (slot) tokens = slot->refine(tape, tokens, lengths, context);
    });
    return tokens;
  }

 private:
  template <class L>
  static constexpr bool acts = requires(L& l, Tape<T, D>& tape, Var<T, D> x, const GraftContext<T, D>& context) {
    l(tape, x, context);
  };
  static void each(auto& self, auto&& f) {
    std::apply([&](auto&... slot) { (f(slot), ...); }, self.all_);
  }
  std::tuple<std::optional<Layers<T, D>>...> all_;
};

/// The parts of layers that a model has once, such as what embeds a second text.
template <class T, Device D, template <class U, class E> class... Layers>
class SharedParts {
  struct None {
    None(const Port&, const auto&) {}
    static void describe(auto&, auto&) {}
    void prepare(Tape<T, D>&, GraftContext<T, D>&) {}
  };
  template <class L>
  struct Part {
    static auto of() {
      if constexpr (requires { typename L::Shared; })
        return std::type_identity<typename L::Shared>{};
      else
        return std::type_identity<None>{};
    }
    using type = typename decltype(of())::type;
  };
  template <class L>
  struct Slot {
    using Layer = L;
    std::optional<typename Part<L>::type> part;
  };

 public:
  SharedParts() = default;
  /// `port_of(name)` gives the sizes at a port. Throws as GraftsAt.
  template <class PortOf>
  SharedParts(PortOf&& port_of, const std::vector<GraftRecord>& records) {
    each(*this, [&]<class L>(Slot<L>& slot) {
      if (const auto* r = detail::record_of<L>(records)) slot.part.emplace(port_of(L::port), detail::options_of<L>(*r));
    });
  }
  static void describe(auto& self, auto& v) {
    each(self, [&](auto& slot) {
      using Module = typename std::remove_cvref_t<decltype(slot.part)>::value_type;
      if (slot.part) Module::describe(*slot.part, v);
    });
  }
  /// Once a step, before the blocks.
  void prepare(Tape<T, D>& tape, GraftContext<T, D>& context) {
    each(*this, [&](auto& slot) {
      if (slot.part) slot.part->prepare(tape, context);
    });
  }

 private:
  static void each(auto& self, auto&& f) {
    std::apply([&](auto&... slot) { (f(slot), ...); }, self.all_);
  }
  std::tuple<Slot<Layers<T, D>>...> all_;
};

}  // namespace modelgrow::inline v0
