// SPDX-License-Identifier: MIT
#include <numeric>
#include <set>

#include <tests/support/catch.hpp>
#include <tests/support/releases.hpp>

namespace mg = modelgrow;

TEST_CASE("released configurations expand to the counts of their upstream classes") {
  const auto all = mg::testing::releases();
  REQUIRE(all.size() > 40);
  for (const auto& r : all) {
    INFO(r.family << ": " << r.name);
    std::set<std::string> names;
    std::int64_t elements = 0, trained = 0;
    for (const auto& t : r.tensors) {
      names.insert(t.name);
      elements += mg::numel(t.shape);
      trained += r.buffers.contains(t.name) ? 0 : mg::numel(t.shape);
    }
    CHECK(std::int64_t(names.size()) == r.count);
    CHECK(names.size() == r.tensors.size());
    CHECK(trained == r.parameters);
    CHECK(elements == r.elements);
  }
}

TEST_CASE("a release knows its blocks, lists and shapes") {
  const auto shape_in = [](const mg::testing::Release& r, std::string_view name) {
    for (const auto& t : r.tensors)
      if (t.name == name) return t.shape;
    return mg::Shape{};
  };
  const auto sd3 = mg::testing::releases("sd3");
  REQUIRE(sd3.at(1).name == "stabilityai/stable-diffusion-3.5-medium");
  CHECK(shape_in(sd3[1], "transformer_blocks.12.norm1.linear.weight") == mg::Shape{9 * 1536, 1536});
  CHECK(shape_in(sd3[1], "transformer_blocks.13.norm1.linear.weight") == mg::Shape{6 * 1536, 1536});
  CHECK(shape_in(sd3[1], "transformer_blocks.13.attn2.to_q.weight").empty());
  CHECK(shape_in(sd3[1], "transformer_blocks.22.norm1_context.linear.bias") == mg::Shape{6 * 1536});
  CHECK(shape_in(sd3[1], "transformer_blocks.23.norm1_context.linear.bias") == mg::Shape{2 * 1536});
  CHECK(sd3[1].buffers == std::set<std::string>{"pos_embed.pos_embed"});
  const auto vace = mg::testing::releases("wan_vace").at(0);
  CHECK(shape_in(vace, "vace_blocks.0.proj_in.weight") == mg::Shape{1536, 1536});
  CHECK(shape_in(vace, "vace_blocks.1.proj_in.weight").empty());
  CHECK(shape_in(mg::testing::releases("pixart").at(1), "adaln_single.emb.aspect_ratio_embedder.linear_2.bias") ==
        mg::Shape{384});
  CHECK(shape_in(mg::testing::releases("flux").at(0), "single_transformer_blocks.37.proj_out.weight") ==
        mg::Shape{3072, 3072 + 4 * 3072});
}
