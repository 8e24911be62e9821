// SPDX-License-Identifier: MIT
// Graft<Layer>: gives a model a layer that it lacks. Any layer, any family that has the port; the layer's closing
// parameters start at zero, so nothing changes until training opens it.
//
// A layer is one struct:
//   template <class T, class D> struct MyLayer {
//     static constexpr std::string_view name = "MyLayer", port = "temporal", module = "my_layer", summary = "..";
//     struct Options { std::int64_t kernel = 3; static void describe(auto& self, auto& v) {..} };
//     MyLayer(const mg::Port&, const Options&);           // shape_error for options that make no sense
//     static void describe(auto& self, auto& v);          // parameters, with what closes the branch
//     mg::Var<T, D> operator()(mg::Tape<T, D>&, const mg::Var<T, D>& x, const mg::GraftContext<T, D>&);
//   };
// and, if a part of it is there once for the model, a member type Shared (grafts/text_embedding.hpp is one).
#pragma once
#include <string>

#include <modelgrow/core/device.hpp>
#include <modelgrow/detail/fields_text.hpp>
#include <modelgrow/families/tensor_line.hpp>
#include <modelgrow/families/text_records.hpp>
#include <modelgrow/grafts/context.hpp>
#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// The operator. On disk and live; recorded in config.json under "_modelgrow".
template <template <class T, class D> class Layer>
struct Graft {
  using On = Layer<float, Meta>;  // its parameters without their numbers
  using Options = typename On::Options;
  static constexpr std::string_view name = On::name, summary = On::summary;
  Options options = {};
  std::uint64_t seed = 0;  // of the parameters that do not start at zero

  static void describe(auto& self, auto& v) {
    Options::describe(self.options, v);
    v("seed", self.seed, "of the parameters that do not start at zero");
  }

  /// Throws plan_error when the family has no such port, when the layer is there already, and for options that make no
  /// sense.
  void apply(Plan& plan) const {
    const Schema& now = plan.schema();
    const PortSpec& spec = now.port(On::port);
    for (const auto& g : now.grafts)
      if (g.name == name) throw plan_error(std::string(name) + ": the model has this layer already");
    Options told = options;
    if constexpr (requires { told.prompt; }) told.prompt = detail::canonical_prompt(told.prompt, std::string(name));
    GraftRecord record{
        .name = std::string(name), .options = detail::values_text(detail::changed_fields(told)), .tensors = {}};
    auto all = now.grafts;
    all.push_back(record);
    second_text(all);  // one encoder for all that read it
    Add add{.parameters = {}, .spaces = {}, .seed = seed};
    try {
      const Port port = now.resolved_port(On::port);
      const std::string module = std::string(On::module);
      if constexpr (requires { typename On::Shared; }) {
        const typename On::Shared shared(port, options);
        once(shared, "", now, record, add);
      }
      const On layer(port, options);
      if (spec.stack.empty()) {
        once(layer, module + ".", now, record, add);
      } else {
        const StackSpec& stack = now.stack(spec.stack);
        for_each_parameter(layer, [&](const std::string& path, const auto& p) {
          record.tensors.emplace_back(stack.size_name() + ".{}." + module + "." + path, detail::line_of(p.info));
          for (std::int64_t i = 0; i < stack.count; ++i)
            add.parameters.push_back({.name = stack.name + "." + std::to_string(i) + "." + module + "." + path,
                                      .dtype = type_at(now, stack.name + "."),
                                      .info = p.info});
        });
      }
    } catch (const shape_error& e) {
      throw plan_error(std::string(name) + ": " + e.what());
    }
    add.graft = std::move(record);
    plan.say(add);
  }

 private:
  /// A part that the model has once: of the branch of the layer, wherever it stands.
  static void once(const auto& part, const std::string& prefix, const Schema& now, GraftRecord& record, Add& add) {
    for_each_parameter(part, [&](const std::string& path, const auto& p) {
      ParamSpec one{.name = prefix + path, .dtype = type_at(now, ""), .info = p.info};
      if (one.info.stream.branch.empty()) one.info.stream.branch = std::string(On::module);
      record.tensors.emplace_back(one.name, detail::line_of(one.info));
      add.parameters.push_back(std::move(one));
    });
  }
  /// The type of what writes the stream there, so that a bf16 checkpoint stays one.
  static DType type_at(const Schema& s, std::string_view prefix) {
    for (const auto& p : s.parameters)
      if (p.name.starts_with(prefix) && closes_branch(p.info.purpose) && is_arithmetic_float(p.dtype)) return p.dtype;
    for (const auto& p : s.parameters)
      if (is_arithmetic_float(p.dtype)) return p.dtype;
    return DType::f32;
  }
};

}  // namespace modelgrow::inline v0
