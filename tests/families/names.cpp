// SPDX-License-Identifier: MIT
// Names of other code bases: native ones are read as they are and kept; what cannot be read names its cause.
#include <modelgrow/detail/json.hpp>
#include <modelgrow/families/all.hpp>
#include <modelgrow/families/config_rules.hpp>
#include <modelgrow/families/other_names.hpp>
#include <modelgrow/families/wan.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/mixture_of_experts.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/read_back.hpp>
#include <modelgrow/grow/write.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/releases.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

/// A small Wan with the names of its own code base (wan/modules/model.py), typed by hand.
Names native_wan() {
  constexpr std::int64_t hidden = 24, ffn = 40, blocks = 2;
  std::vector<NamedShape> all;
  const auto put = [&](const std::string& name, Shape shape) {
    all.push_back({.name = name, .dtype = DType::bf16, .shape = std::move(shape)});
  };
  const auto linear = [&](const std::string& name, std::int64_t to, std::int64_t from) {
    put(name + ".weight", {to, from});
    put(name + ".bias", {to});
  };
  put("patch_embedding.weight", {hidden, 4, 1, 2, 2});
  put("patch_embedding.bias", {hidden});
  linear("text_embedding.0", hidden, 10);
  linear("text_embedding.2", hidden, hidden);
  linear("time_embedding.0", hidden, 256);
  linear("time_embedding.2", hidden, hidden);
  linear("time_projection.1", 6 * hidden, hidden);
  for (std::int64_t i = 0; i < blocks; ++i) {
    const std::string block = "blocks." + std::to_string(i) + ".";
    put(block + "modulation", {1, 6, hidden});
    for (const char* attention : {"self_attn.", "cross_attn."}) {
      for (const char* part : {"q", "k", "v", "o"}) linear(block + attention + part, hidden, hidden);
      put(block + attention + "norm_q.weight", {hidden});
      put(block + attention + "norm_k.weight", {hidden});
    }
    put(block + "norm3.weight", {hidden});
    put(block + "norm3.bias", {hidden});
    linear(block + "ffn.0", ffn, hidden);
    linear(block + "ffn.2", hidden, ffn);
  }
  linear("head.head", 16, hidden);
  put("head.modulation", {1, 2, hidden});
  return Names(std::move(all), "native");
}
const std::string native_config =
    R"({"model_type": "t2v", "dim": 24, "ffn_dim": 40, "num_heads": 2, "num_layers": 2, "in_dim": 4, "out_dim": 4})";

std::string complaint_about(std::vector<NamedShape> entries) {
  const Names names(std::move(entries), "file");
  return message_of<format_error>([&] { family_of(names, "", "file"); });
}

}  // namespace

TEST_CASE("Native names of Wan are read, grown and kept", "[families]") {
  const Names names = native_wan();
  const Family& family = family_of(names, native_config, "native");
  CHECK(family.name() == "wan");
  const Schema s = family.schema(names, native_config, "native");
  CHECK(s.space("heads").space.size == 2);
  const Plan p =
      plan(s, InsertBlocks{.every = 1}, Net2Wider{.space = "hidden", .times = 2}, Net2Wider{.space = "ffn", .to = 60});
  CHECK(p.certificate().exactness == Exactness::exact);
  CHECK(p.schema().find("blocks.3.self_attn.o.weight")->shape() == Shape{48, 48});
  const auto patch = changed_config(p.source(), p.schema());
  CHECK(patch == ConfigPatch{{"ffn_dim", "60"}, {"num_layers", "4"}, {"dim", "48"}, {"num_heads", "4"}});
  const std::string grown =
      R"({"model_type": "t2v", "dim": 48, "ffn_dim": 60, "num_heads": 4, "num_layers": 4, "in_dim": 4, "out_dim": 4})";
  CHECK(difference(p.schema(), s.reader(names_of(p.schema()), grown, "grown")) == "");
}

namespace {
Names renamed(const Names& file, const std::map<std::string, std::string>& to) {
  std::vector<NamedShape> all(file.begin(), file.end());
  for (auto& t : all) t.name = to.at(t.name);
  return Names(std::move(all), "renamed");
}
}  // namespace

TEST_CASE("Names go to the other layout and back", "[families]") {
  const Names native = native_wan();
  const Family& family = family_of(native, native_config, "native");
  const Names own = renamed(native, other_names(family, native, native_config, "file", NameLayout::own));
  CHECK(own.find("blocks.1.attn2.to_out.0.bias"));
  CHECK(own.find("condition_embedder.time_embedder.linear_2.weight"));
  CHECK(family_of(own, "", "own").name() == "wan");
  int families = 0;
  for (const auto& f : known_families())
    for (const auto& r : releases(f.name())) {
      const Names names(r.tensors, r.name);
      const auto to = [&](const Names& from, NameLayout layout) {
        return other_names(f, from, r.config, r.name, layout);
      };
      if (f.text().native.empty()) {
        CHECK(says(message_of<format_error>([&] { to(names, NameLayout::native); }), "names of one layout"));
        continue;
      }
      ++families;
      const Names there = renamed(names, to(names, NameLayout::native));
      const Names back = renamed(there, to(there, NameLayout::own));
      CHECK(std::ranges::equal(names, back, {}, &NamedShape::name, &NamedShape::name));
      CHECK_FALSE(std::ranges::equal(names, there, {}, &NamedShape::name, &NamedShape::name));
      CHECK(says(message_of<format_error>([&] { to(names, NameLayout::own); }), "has its own names already"));
    }
  CHECK(families >= 4);
  std::vector<NamedShape> more(native.begin(), native.end());
  more.push_back({.name = "blocks.0.mystery.weight", .dtype = DType::bf16, .shape = {3}});
  CHECK(says(message_of<format_error>(
                 [&] { other_names(family, Names(more, "file"), native_config, "file", NameLayout::own); }),
             "of no line of the family: 'blocks.0.mystery.weight'"));
}

TEST_CASE("Mixtures of experts keep native names and read back", "[families]") {
  const Names names = native_wan();
  const Schema s = family_of(names, native_config, "native").schema(names, native_config, "native");
  const Plan p = plan(s, MixtureOfExperts{.experts = 3}, InsertBlocks{.every = 1});
  CHECK(p.schema().find("blocks.3.ffn.experts.2.0.weight")->shape() == Shape{40, 24});
  const std::string grown = detail::patched_config(native_config, changed_config(s, p.schema()), "native");
  const Names after = names_of(p.schema());
  const Schema read = family_of(after, grown, "grown").schema(after, grown, "grown");
  CHECK(difference(p.schema(), read) == "");
  CHECK(plan(read, Net2Wider{.space = "ffn", .to = 60}).certificate().exactness == Exactness::exact);
  // A dense layer beside its experts, or none of both, is no such model.
  auto both = p.schema(), neither = p.schema();
  both.parameters.push_back(*s.find("blocks.0.ffn.0.weight"));
  std::erase_if(neither.parameters, [](const auto& t) { return t.name == "blocks.1.ffn.experts.2.0.weight"; });
  for (const auto& [wrong, name] :
       {std::pair{both, "blocks.0.ffn.0.weight"}, {neither, "blocks.1.ffn.experts.2.0.weight"}})
    CHECK(says(message_of<format_error>([&] { s.reader(names_of(wrong), grown, "grown"); }), name));
  auto renamed = grown;
  renamed.replace(renamed.find("ffn.0.weight", renamed.find("replaces")), 3, "mlp");
  CHECK(says(message_of<format_error>([&] { s.reader(after, renamed, "grown"); }), "takes the place of", "mlp.0.weight",
             "'replaces'"));
}

TEST_CASE("What stands in the way is named, not the names that are missing", "[families]") {
  auto entries = releases("wan").back().tensors;
  auto attached = entries;
  for (auto& e : attached)
    if (e.name == "blocks.0.attn1.to_q.weight") e.name = "blocks.0.attn1.to_q.base_layer.weight";
  CHECK(says(complaint_about(attached), "'blocks.0.attn1.to_q.base_layer.weight'", "LoRA", "merge"));
  auto quantised = entries;
  for (auto& e : quantised)
    if (e.name == "blocks.0.ffn.net.2.weight") e.name = "blocks.0.ffn.net.2._weight_qdata";
  CHECK(says(complaint_about(quantised), "quantised"));
  CHECK(says(complaint_about({{.name = "double_blocks.3.img_attn.qkv.weight", .shape = {6, 2}}}), "family 'flux2'",
             "convert it"));
  auto short_of = entries;
  short_of.erase(short_of.begin() + 20);
  CHECK(says(complaint_about(short_of), "are of family 'wan'", "missing: '" + entries[20].name + "'"));
  auto too_much = entries;
  too_much.push_back({.name = "blocks.0.mystery.weight", .shape = {3}});
  CHECK(says(complaint_about(too_much), "of no line of the family: 'blocks.0.mystery.weight'"));
}

TEST_CASE("config.json that tells of another model is refused with both values", "[families]") {
  const Release r = releases("wan").back();
  const Names names(r.tensors, r.name);
  const auto refusal = [&](const std::string& key, const detail::json& value) {
    auto config = detail::parse_json(r.config, "config");
    config[key] = value;
    return message_of<format_error>([&] { family_of(names, r.config, "file").schema(names, config.dump(), "file"); });
  };
  CHECK(says(refusal("num_layers", 7), "'num_layers' is 7", "is 3"));
  CHECK(says(refusal("ffn_dim", 51), "'ffn_dim' is 51", "is 50"));
  CHECK(says(refusal("num_layers", 2.9), "'num_layers' is 2.9; expected a whole number"));
  CHECK(says(refusal("patch_size", {1, 2, 2, 2}), "file/config.json: 'patch_size' is [1,2,2,2], a list of 4",
             "expected 3 numbers"));
  CHECK(says(refusal("patch_size", {1, 2}), "a list of 2; expected 3 numbers"));
  auto absent = detail::parse_json(r.config, "config");
  absent["num_attention_heads"] = nullptr;  // as if it were not there
  CHECK(family_of(names, r.config, "file").schema(names, absent.dump(), "file").space("heads").space.size == 3);
  auto trusted = detail::parse_json(r.config, "config");
  trusted["num_layers"] = 7;
  CHECK(family_of(names, r.config, "file").schema(names, trusted.dump(), "file", Trust::file).stack("blocks").count ==
        3);
}

TEST_CASE("What is wrong with config.json or the file is said with the place, before any family is looked for",
          "[families]") {
  const Release r = releases("wan").back();
  const auto refusal = [&](const std::string& config, std::vector<NamedShape> tensors) {
    const Names names(std::move(tensors), "folder");
    return message_of<format_error>([&] { family_of(names, config, "folder"); });
  };
  CHECK(says(refusal(R"({"_class_name": "WanTransformer3DModel", "scale": Infinity})", r.tensors),
             "folder/config.json: ", "Infinity", "replace it in line 1"));
  CHECK(says(refusal(r.config, {}), "folder: it holds no tensors", "holds the weights"));
}

TEST_CASE("A mark of no elements is no part of the model and passes through", "[families]") {
  Release r = releases("wan").back();
  r.tensors.push_back({.name = "scaled_fp8", .dtype = DType::f8_e4m3, .shape = {0}});
  const Names names(r.tensors, "file");
  const Schema s = family_of(names, r.config, "file").schema(names, r.config, "file");
  CHECK(s.find("scaled_fp8") == nullptr);
  std::vector<TensorView> views;
  for (const auto& t : r.tensors) views.push_back({.name = t.name, .dtype = t.dtype, .shape = t.shape, .bytes = 0});
  const auto outputs = weight_outputs(plan(s, InsertBlocks{.every = 1}), TensorSet(views, "file"));
  CHECK(std::count_if(outputs.begin(), outputs.end(),
                      [](const Output& o) { return o.target.name == "scaled_fp8" && o.parameter < 0; }) == 1);
  r.tensors.back().shape = {1};
  CHECK(says(complaint_about(r.tensors), "of no line of the family: 'scaled_fp8'"));
}

TEST_CASE("Mistakes in a family text are found, and the line is named", "[families]") {
  const std::string text(families::wan);
  const auto refusal = [&](const std::string& from, const std::string& to) {
    std::string wrong = text;
    const auto at = wrong.find(from);
    REQUIRE(at != wrong.npos);
    wrong.replace(at, from.size(), to);
    return message_of<format_error>([&] { Family f(wrong); });
  };
  CHECK(says(refusal("\"out ffn, in hidden\"", "\"inn ffn, in hidden\""), "the axis 'inn ffn'"));
  CHECK(says(refusal("\"out ffn, in hidden\"", "\"out ffn*, in hidden\""), "is no size"));
  CHECK(says(refusal("\"tied_to\": \"heads\"", "\"tied_to\": \"haeds\""), "tied to 'haeds'"));
  CHECK(says(refusal("\"ffn\": {}", "\"ffn\": {\"copeis\": \"any\"}"), "unknown key 'copeis'", "copies"));
  CHECK(says(refusal("in ffn; closes", "in ffn"), "writes the stream 'hidden'"));
  CHECK(says(refusal("in ffn; closes", "in ffn; clothes"), "the mark 'clothes'"));
  const auto when = [&](const std::string& condition) {
    return refusal("\"ffn\": {}", "\"ffn\": {\"when\": [{\"if\": " + condition + "}]}");
  };
  CHECK(when(R"({"config": "eps", "is": 1})").empty());
  CHECK(says(when("{}"), "spaces: 'ffn': if: a condition asks for 'config', 'has' or 'lacks'"));
  CHECK(says(when(R"({"config": 7})"), "'config' is missing or no text"));
  CHECK(says(when(R"({"has": []})"), "'has' is missing or no text"));
  CHECK(says(when(R"({"has": "a", "lacks": "b"})"), "'has' and 'lacks' are two conditions"));
  CHECK(says(when("3"), "if: expected an object; found 3"));
  CHECK(says(refusal("\"stream\": \"hidden\"", "\"stream\": \"hidden\", \"period\": 0"), "a period of 0"));
  const auto list = [&](const std::string& rule) {
    return refusal("\"ffn_dim\": \"ffn\"", "\"ffn_dim\": \"ffn\", \"list\": " + rule);
  };
  CHECK(list(R"({"blocks": "blocks", "with": "norm2.weight"})").empty());
  CHECK(says(list(R"({"blocks": "", "with": "norm2.weight"})"), "names the stack '', which there is not"));
  CHECK(says(list(R"({"hosts": "blocks", "guests": ""})"), "names the stack '', which there is not"));
  std::string braces;
  for (int i = 0; i < 40; ++i) braces += "{a,b}";
  CHECK(says(refusal("norm2.{weight,bias}", "norm2." + braces), "stands for more than 256 names"));
}

TEST_CASE("An STDiT whose position table is of another length than its configuration is refused with both",
          "[families]") {
  for (const auto& r : releases()) {
    if (r.family != "stdit1") continue;
    const Names names(r.tensors, r.name);
    auto config = detail::parse_json(r.config, r.name);
    if (!config.contains("input_size") || !names.contains("pos_embed_temporal")) continue;
    config["input_size"][0] = 3 * config["input_size"][0].get<std::int64_t>();
    const auto said =
        message_of<format_error>([&] { family_of(names, r.config, r.name).schema(names, config.dump(), r.name); });
    CHECK(says(said, "'input_size.0' is " + config["input_size"][0].dump()));

    auto entries = r.tensors;  // and a table of another length than all else
    for (auto& e : entries)
      if (e.name == "pos_embed") e.shape[1] += 3;
    const Names other(std::move(entries), r.name);
    const auto table =
        message_of<format_error>([&] { family_of(other, r.config, r.name).schema(other, r.config, r.name); });
    CHECK(says(table, "'pos_embed' has shape [1, " + std::to_string(names.dim("pos_embed", 1) + 3),
               "axis 1 is 'height*width'", "set 'input_size.1', 'input_size.2'", "in config.json"));
  }
}
