// SPDX-License-Identifier: MIT
// SwapTextEncoder: a model reads another text encoder in place of the one it has. Not exact: what reads the states is
// new. align_text() (text/align_text.hpp) fills it in from the old layer and a map between the states.
#pragma once
#include <algorithm>
#include <set>
#include <string>

#include <modelgrow/grow/plan.hpp>

namespace modelgrow::inline v0 {

/// It works for every family that offers the layer y_embedder, behind allow_approximate.
struct SwapTextEncoder {
  static constexpr std::string_view name = "SwapTextEncoder";
  std::int64_t width = 0;         // of the new encoder's hidden states
  std::int64_t max_length = 128;  // tokens of a prompt
  std::string prompt = {};        // JSON that says how the encoder is fed; kept in config.json
  std::uint64_t seed = 0;

  /// Throws plan_error when the family has no such layer, for sizes that make no sense, for a model that knows how its
  /// encoder was fed and is not told how the new one is, and without allow_approximate.
  void apply(Plan& plan) const {
    if (width <= 0 || max_length <= 0)
      throw plan_error("SwapTextEncoder: width " + std::to_string(width) + ", max_length " +
                       std::to_string(max_length) + "; expected the width of the encoder's states and a length");
    const Schema now = plan.schema();
    const SchemaOption layer = now.option("y_embedder");
    const Schema with = layer.switched_on(now, arguments(width, max_length));
    std::vector<ParamSpec> fresh = changed(with, layer.switched_on(now, arguments(width + 1, max_length + 1)));
    for (auto& p : fresh) {
      if (const auto* old = now.find(p.name)) p.dtype = old->dtype;
      plan.drop(p.name, "the model reads another text encoder");
    }
    plan.say(Add{.parameters = std::move(fresh), .spaces = {}, .settings = with.settings, .seed = seed});
  }

 private:
  SchemaOption::Arguments arguments(std::int64_t channels, std::int64_t length) const {
    SchemaOption::Arguments a{{"caption_channels", std::to_string(channels)},
                              {"model_max_length", std::to_string(length)}};
    if (!prompt.empty()) a["prompt"] = prompt;
    return a;
  }
  /// The parameters whose axes follow the sizes of the text, and the biases that belong to them: all that has to be
  /// learned anew, also when the new encoder happens to have the old sizes.
  static std::vector<ParamSpec> changed(const Schema& schema, const Schema& larger) {
    constexpr std::string_view weight = ".weight";
    std::set<std::string> names;
    for (const auto& p : schema.parameters)
      if (const auto* other = larger.find(p.name); other && other->info.axes != p.info.axes) {
        names.insert(p.name);
        if (p.name.ends_with(weight)) names.insert(p.name.substr(0, p.name.size() - weight.size()) + ".bias");
      }
    std::vector<ParamSpec> list;
    std::ranges::copy_if(schema.parameters, std::back_inserter(list),
                         [&](const ParamSpec& p) { return names.contains(p.name); });
    return list;
  }
};

}  // namespace modelgrow::inline v0
