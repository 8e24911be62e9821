// SPDX-License-Identifier: MIT
// A grown model with a grown adapter computes what the old model did with the old adapter, in every form of file; what
// the file says of ranks, alphas and layers follows; what cannot follow is refused by name.
#include <modelgrow/grow/adapter_growth.hpp>
#include <modelgrow/grow/operators/grow_head_dim.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/mixture_of_experts.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/operators/zero_channels.hpp>

#include "adapter_files.hpp"
#include "minimax.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using modelgrow::testing::message_of;
using modelgrow::testing::says;
using modelgrow::testing::Scratch;
using tiny::json;
using tiny::Low;
using tiny::State;
using enum AdapterForm;
namespace fs = std::filesystem;

namespace {

const std::vector<Low> everywhere{{.layer = "blocks.0.attn.qkv"},
                                  {.layer = "blocks.0.attn.proj"},
                                  {.layer = "blocks.0.mlp.fc1"},
                                  {.layer = "blocks.0.mlp.fc2"},
                                  {.layer = "blocks.1.attn.qkv", .rank = 3, .alpha = 4},
                                  {.layer = "blocks.1.mlp.fc1"},
                                  {.layer = "blocks.1.mlp.fc2", .rank = 1, .alpha = 0.5},
                                  {.layer = "t_block"},
                                  {.layer = "final.linear"}};
/// Of a form that says no alpha, which then is the rank.
std::vector<Low> of_form(AdapterForm form) {
  auto layers = everywhere;
  if (form == diffusion_model)
    for (auto& l : layers) l.rank = 2, l.alpha = 2;
  return layers;
}

State<double> grown(const Plan& p, const State<double>& w) {
  return tiny::from_dict(grow_weights(p, tiny::to_dict<double>(p.source(), w)));
}
AdapterGrowth growth_of(const Plan& p, const fs::path& adapter) {
  return AdapterGrowth(p, names_of(p.source()), Adapter::open(adapter));
}
/// Grows an adapter into a folder; the new one.
Adapter moved(const Plan& p, const fs::path& adapter, const fs::path& out) {
  const auto growth = growth_of(p, adapter);
  growth.write(out);
  return Adapter::open(out / growth.file_name());
}
std::set<std::string> names(const Adapter& a) {
  std::set<std::string> all;
  for (const auto& t : a.file().tensors()) all.insert(t.name);
  return all;
}
json config_of(const Adapter& a) { return detail::parse_json(a.config()->text(), "config"); }

}  // namespace

TEST_CASE("a grown model with its grown adapter computes what the old one did", "[adapter]") {
  const tiny::Config c;
  const auto s = tiny::schema(c);
  const auto form = GENERATE(peft, peft_in_memory, diffusers, diffusion_model, flattened);
  const double noise = GENERATE(0.0, 15.0);
  const Scratch scratch;
  const auto file = tiny::write_adapter(scratch / "old", form, s, of_form(form));
  const auto w = tiny::random_state(s);
  const auto before = tiny::forward(c, tiny::adapted(w, Adapter::open(file), s));
  CHECK(tiny::distance(tiny::forward(c, w), before) > 0.05);

  const Net2Wider ffn{.space = "ffn", .to = 13, .noise_db = noise, .seed = 5}, heads{.space = "heads", .to = 4};
  const Net2Wider hidden{.space = "hidden", .to = 18, .noise_db = noise};
  std::vector<Plan> plans;
  plans.push_back(plan(s, InsertBlocks{.every = 1}));
  plans.push_back(plan(s, ffn));
  plans.push_back(plan(s, hidden));
  plans.push_back(plan(s, InsertBlocks{.at = {1, 1, 2}}, ffn));
  plans.push_back(plan(s, ffn, InsertBlocks{.every = 1}, hidden, Net2Wider{.space = "ffn", .to = 31, .seed = 2}));
  plans.push_back(plan(s, Net2Wider{.space = "heads", .to = 4, .noise_db = noise}));
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const Plan& p = plans[i];
    INFO(detail::word_of(form) << ", plan " << i << ", noise " << noise);
    const auto now = moved(p, file, scratch / std::to_string(i));
    const auto g = grown(p, w);
    const auto grown_config = tiny::config_of(p.schema());
    CHECK(now.layers().size() == everywhere.size());
    CHECK(tiny::distance(before, tiny::forward(grown_config, tiny::adapted(g, now, p.schema()))) <= 1e-12);
    CHECK(tiny::distance(before, tiny::forward(grown_config, g)) > 0.05);
  }
}

TEST_CASE("adapters follow mixtures of experts, silent channels and wider heads", "[adapter]") {
  const Scratch scratch;
  const tiny::Config c;
  const auto s = tiny::schema(c);
  const auto file = tiny::write_adapter(scratch / "tiny", diffusers, s, everywhere);
  const auto w = tiny::random_state(s);
  const Plan mixture = plan(s, MixtureOfExperts{.experts = 3}, Net2Wider{.space = "ffn", .to = 9});
  const auto now = moved(mixture, file, scratch / "mixture");
  CHECK(now.layers().size() == everywhere.size() + 2 * 4);
  CHECK(tiny::distance(tiny::forward(c, tiny::adapted(w, Adapter::open(file), s)),
                       tiny::forward(tiny::config_of(mixture.schema()),
                                     tiny::adapted(grown(mixture, w), now, mixture.schema()))) <= 1e-12);

  const Schema h3 = minimax::schema();
  std::vector<Low> layers;
  for (const auto& p : h3.parameters)
    if (p.name.ends_with(".weight") && p.shape().rank() == 2)
      layers.push_back({.layer = p.name.substr(0, p.name.size() - 7)});
  REQUIRE(layers.size() > 10);
  const auto of_h3 = tiny::write_adapter(scratch / "h3", peft, h3, layers);
  const auto v = tiny::random_state(h3);
  const auto before = minimax::forward(h3, tiny::adapted(v, Adapter::open(of_h3), h3));
  CHECK(tiny::distance(minimax::forward(h3, v), before) > 0.05);
  std::vector<Plan> plans;
  plans.push_back(plan(h3, ZeroChannels{.to = 37}));
  plans.push_back(plan(h3, GrowHeadDim{.to = 20}));
  plans.push_back(plan(h3, ZeroChannels{.to = 37}, GrowHeadDim{.to = 20}, Net2Wider{.space = "heads", .to = 5},
                       InsertBlocks{.stack = "transformer_blocks", .every = 1}));
  for (std::size_t i = 0; i < plans.size(); ++i) {
    INFO("plan " << i);
    const auto with = moved(plans[i], of_h3, scratch / std::to_string(i));
    const auto& schema = plans[i].schema();
    CHECK(tiny::distance(before, minimax::forward(schema, tiny::adapted(grown(plans[i], v), with, schema))) <= 1e-12);
  }
}

TEST_CASE("ranks, alphas and patterns of peft follow; what has not moved stays as it was", "[adapter]") {
  const Scratch scratch;
  const auto s = tiny::schema({});
  tiny::write_adapter(scratch / "old", peft, s, everywhere);
  auto said = tiny::lora_config(everywhere);
  said["target_modules"] = ".*(qkv|proj|fc1|fc2|t_block|final.linear)";
  said["rank_pattern"] = {{R"(blocks\.1\.attn\.qkv)", 3}, {"1.mlp.fc2", 1}};
  said["alpha_pattern"] = {{"1.attn.(qkv|proj)", 4}, {"blocks.1.mlp.fc2", 0.5}, {"mlp", 100}};
  said["layers_to_transform"] = {0, 1, 7};
  said["exclude_modules"] = {"x_embedder"};
  said["use_rslora"] = true;
  said["lora_dropout"] = 0.1;
  const auto text = said.dump(3);
  modelgrow::detail::write_file(scratch / "old/adapter_config.json", text);

  CHECK(moved(plan(s, Net2Wider{.space = "ffn", .to = 9}), scratch / "old", scratch / "wide").config()->text() == text);
  const auto deep = moved(plan(s, InsertBlocks{.at = {1, 1}}), scratch / "old", scratch / "deep");
  const auto j = config_of(deep);
  CHECK(j["target_modules"] ==
        json({"blocks.0.attn.proj", "blocks.0.attn.qkv", "blocks.0.mlp.fc1", "blocks.0.mlp.fc2", "blocks.3.attn.qkv",
              "blocks.3.mlp.fc1", "blocks.3.mlp.fc2", "final.linear", "t_block"}));
  CHECK(j["rank_pattern"] == json({{"blocks.3.attn.qkv", 3}, {"blocks.3.mlp.fc2", 1}}));
  CHECK(j["alpha_pattern"] == json({{"blocks.3.attn.qkv", 4}, {"blocks.3.mlp.fc2", 0.5}}));
  CHECK(j["layers_to_transform"] == json({0, 3}));
  CHECK(j["exclude_modules"].is_null());
  CHECK(j["lora_dropout"] == 0.1);
  for (const auto& l : deep.layers()) {
    CHECK(l.rslora);
    if (l.name == "blocks.3.attn.qkv") CHECK_THAT(l.scale(*l.alpha), WithinAbs(4 / std::sqrt(3.0), 1e-15));
  }

  const auto file = tiny::write_adapter(scratch / "header", diffusers, s, everywhere);
  const auto header = config_of(moved(plan(s, InsertBlocks{.at = {1}}), file, scratch / "deep header"));
  CHECK(header["transformer.alpha_pattern"] == json({{"blocks.2.attn.qkv", 4}, {"blocks.2.mlp.fc2", 0.5}}));
  CHECK(header["transformer.target_modules"].size() == everywhere.size());
}

TEST_CASE("names with underscores give way where blocks get gaps, and only there", "[adapter]") {
  const Scratch scratch;
  const auto s = tiny::schema({});
  const auto file = tiny::write_adapter(scratch / "old", flattened, s, everywhere);
  const auto wide = growth_of(plan(s, Net2Wider{.space = "ffn", .to = 9}), file);
  CHECK(wide.form() == flattened);
  CHECK(wide.notes().empty());
  const Plan behind = plan(s, InsertBlocks{.at = {2}}), between = plan(s, InsertBlocks{.at = {1}});
  CHECK(growth_of(behind, file).form() == flattened);
  const auto deep = growth_of(between, file);
  CHECK(deep.form() == diffusion_model);
  REQUIRE(deep.notes().size() == 1);
  CHECK(says(deep.notes()[0], "'lora.safetensors'", "diffusion_model.LAYER", "without a gap"));
  const auto all = names(moved(between, file, scratch / "new"));
  CHECK(all.contains("diffusion_model.blocks.2.mlp.fc1.lora_down.weight"));
  CHECK(all.contains("diffusion_model.blocks.2.mlp.fc1.alpha"));
  CHECK(names(moved(behind, file, scratch / "same")).contains("lora_unet_blocks_1_mlp_fc1.lora_up.weight"));

  auto tensors = tiny::read_dict(Checkpoint::open(file));
  for (const auto& l : everywhere) {
    std::string flat = l.layer;
    std::ranges::replace(flat, '.', '_');
    tensors.erase("lora_unet_" + flat + ".alpha");
  }
  tiny::write_dict(scratch / "bare.safetensors", tensors);
  CHECK(says(message_of<plan_error>([&] { growth_of(between, scratch / "bare.safetensors"); }), "bare.safetensors",
             "'blocks_1_", "rank of its own", ".alpha tensors"));
}

TEST_CASE("what cannot follow is refused by name", "[adapter]") {
  const Scratch scratch;
  const auto s = tiny::schema({});
  const auto file = tiny::write_adapter(scratch / "old", peft, s, everywhere);
  const auto refusal = [&](const Plan& p) { return message_of<plan_error>([&] { growth_of(p, file); }); };
  Plan drops(s);
  drops.allow(Allow::What::approximate);
  drops.drop("blocks.1.mlp.fc2.weight");
  CHECK(says(refusal(drops), "'blocks.1.mlp.fc2'", "the layer is gone", "modelgrow merge"));
  Plan renames(s);
  renames.rename("blocks.1.mlp.fc2.weight", "blocks.1.mlp.kernel");
  CHECK(says(refusal(renames), "'blocks.1.mlp.fc2'", "'blocks.1.mlp.kernel'", "LAYER.weight"));
  Plan next(s);
  next.allow(Allow::What::approximate);
  next.remap({SpaceMap{.space = "ffn", .old_size = 5, .from = {0, 1, 2, 3, 4, 0}, .split = {0.5, 1, 1, 1, 1, 0.5}}}, {},
             NewRows::next);
  CHECK(says(refusal(next), "'blocks.0.mlp.fc1'", "next block"));

  const tiny::Config with_text{.text = 3};
  const auto text = tiny::schema(with_text);
  const auto reader = tiny::write_adapter(scratch / "text", peft, text, {{.layer = "text_embedder"}});
  AffineMap map{.from = 4, .to = 3, .weight = std::vector<double>(12, 0.5), .bias = std::vector<double>(3, 0.0)};
  auto free = text;
  for (auto& p : free.parameters)
    if (p.name == "text_embedder.weight") p.info.axes[1] = fixed(3);
  Plan fill(free);
  fill.allow(Allow::What::approximate);
  fill.fill(Fill{.readers = {{.weight = "text_embedder.weight", .bias = "text_embedder.bias"}},
                 .map = std::make_shared<const AffineMap>(std::move(map))});
  CHECK(says(message_of<plan_error>([&] { growth_of(fill, reader); }), "'text_embedder'", "other states"));

  auto nested = s;
  nested.parameters.push_back(ParamSpec{
      .name = "refiner.blocks.2.mlp.fc1.weight", .dtype = DType::f64, .info = ParamInfo{.axes = {fixed(2), fixed(2)}}});
  CHECK(says(message_of<plan_error>([&] { growth_of(plan(nested, InsertBlocks{.at = {1}}), file); }),
             "'blocks.2.mlp.fc1'", "'refiner.blocks.2.mlp.fc1'", "peft"));
}
