// SPDX-License-Identifier: MIT
// Another text encoder in every family: read through a map the grown folder is checked element by element and read back
// as promised, or the family is refused with the reason.
#include <set>

#include <modelgrow/checkpoint/affine_map_file.hpp>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/families/all.hpp>
#include <modelgrow/grow/operators/swap_text_encoder.hpp>
#include <modelgrow/grow/plan_json.hpp>
#include <modelgrow/grow/write.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/random_folder.hpp"
#include "tests/support/releases.hpp"
#include "tests/support/scratch.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

AffineMap random_map(std::int64_t from, std::int64_t to) {
  AffineMap map{.from = from, .to = to, .weight = {}, .bias = {}};
  for (std::int64_t i = 0; i < from * to; ++i) map.weight.push_back(Rng(1).normal(std::uint64_t(i)));
  for (std::int64_t i = 0; i < to; ++i) map.bias.push_back(Rng(2).normal(std::uint64_t(i)));
  return map;
}

/// The width of the states that a model reads; 0 where it does not say.
std::int64_t width_of(const Schema& s) {
  if (s.text_input.width.empty()) return 0;
  const auto& [tensor, axis] = s.text_input.width[0];
  return s.find(tensor)->info.axes[axis].size();
}

}  // namespace

TEST_CASE("Another text encoder takes the place of the first in every family, or is refused with the reason",
          "[families]") {
  const std::set<std::string> refused{"mochi", "cosmos", "sd3", "ltx2", "qwen_image", "z_image", "latte_original"};
  const Scratch scratch;
  std::set<std::string> swapped;
  for (const auto& r : releases()) {
    if (!r.tiny()) continue;
    INFO(r.family << ": " << r.name);
    const auto base = scratch.path() / "base", grown = scratch.path() / "grown";
    random_folder(base, r, DType::f32);
    const auto in = Checkpoint::open(base);
    const Schema s = schema(in);
    const std::int64_t width = width_of(s);
    AffineMap map = random_map(width + 3, width);
    if (s.family == "flux2") {  // its layer has no bias
      const auto why = message_of<plan_error>([&] { plan(s, allow_approximate, SwapTextEncoder{.align = map}); });
      CHECK(says(why, "'context_embedder.weight'", "has no bias"));
      map.bias.assign(map.bias.size(), 0.0);
    }
    if (width == 0) {
      const auto why = message_of<plan_error>([&] { plan(s, allow_approximate, SwapTextEncoder{.width = 8}); });
      CHECK(says(why, "'" + s.family + "'", "where its text enters, because " + s.text_input.because));
      CHECK(s.text_input.because.size() > 20);
      CHECK(refused.contains(s.family));
    } else {
      for (const bool aligned : {true, false}) {
        SwapTextEncoder swap{.width = width + 3};
        if (aligned) swap.align = map;
        const Plan p = plan(s, allow_approximate, swap);
        CHECK(width_of(p.schema()) == width + 3);
        const Report report = p.write(in, grown);
        CHECK(report.read_back);
        std::filesystem::remove_all(grown);
      }
      swapped.insert(s.family);
    }
    std::filesystem::remove_all(base);
  }
  CHECK(swapped.size() >= 10);
  for (const auto& name : swapped) CHECK(!refused.contains(name));
}

TEST_CASE("A map may come from a file, as recipes and the command line give it", "[families]") {
  const Scratch scratch;
  for (const auto& r : releases()) {
    if (!r.tiny() || r.family != "wan") continue;
    const Names names(r.tensors, r.name);
    const Schema s = family_of(names, r.config, r.name).schema(names, r.config, r.name);
    const std::int64_t width = width_of(s);
    const AffineMap map = random_map(width + 3, width);
    const auto file = scratch / "map.safetensors";
    write_affine_map(file, map);
    const Plan p = plan(s, allow_approximate, SwapTextEncoder{.align = map});
    CHECK(to_json(plan(s, allow_approximate, SwapTextEncoder{.map = file.string()})) == to_json(p));
    const auto refused = [&](const SwapTextEncoder& swap) {
      return message_of<error>([&] { plan(s, allow_approximate, swap); });
    };
    CHECK(says(refused({.map = file.string(), .align = map}), "map.safetensors", "one of them"));
    CHECK(says(refused({.map = (scratch / "none.safetensors").string()}), "none.safetensors"));
    write_affine_maps(file, {{"other.", &map}});
    CHECK(says(refused({.map = file.string()}), "map.safetensors", "no tensor 'weight'", "bias [to]"));
  }
}
