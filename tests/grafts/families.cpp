// SPDX-License-Identifier: MIT
// Every graft on every family that has its port: exact by its certificate, recorded, and read back as promised; on disk
// in float and bf16, with growth after it.
#include <map>

#include <modelgrow/checkpoint/writer.hpp>
#include <modelgrow/families/all.hpp>
#include <modelgrow/families/config_rules.hpp>
#include <modelgrow/grafts.hpp>
#include <modelgrow/grafts/known.hpp>
#include <modelgrow/grow/read_back.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/random_folder.hpp"
#include "tests/support/releases.hpp"
#include "tests/support/scratch.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

OperatorCall call_of(const OperatorKind& kind) {
  std::string text = "seed=3";
  for (const auto& f : kind.fields)
    if (f.key == "width") text += ",width=6";
  return kind.from_text(text);
}

}  // namespace

TEST_CASE("Every graft on every family that has its port reads back as promised", "[grafts]") {
  std::map<std::string, std::int64_t> grafted;
  for (const auto& r : releases()) {
    if (!r.tiny()) continue;
    const Names names(r.tensors, r.name);
    const Family& family = family_of(names, r.config, r.name);
    const Schema s = family.schema(names, r.config, r.name);
    for (const auto& kind : known_grafts()) {
      INFO(r.family + ": " + r.name + ": " + kind.name);
      try {
        const Plan p = plan(s, std::vector{call_of(kind)});
        CHECK(p.certificate().exactness == Exactness::exact);
        const auto config = detail::patched_config(r.config, changed_config(p.source(), p.schema()), r.name);
        const Names now = names_of(p.schema());
        CHECK(family_of(now, config, "grown").name() == family.name());
        const Schema again = p.source().reader(now, config, "grown");
        CHECK(difference(p.schema(), again) == "");
        CHECK(again.grafts == p.schema().grafts);
        ++grafted[r.family];
      } catch (const plan_error& e) {
        CHECK(says(e.what(), "port"));  // the only reason
      }
    }
  }
  CHECK(grafted.size() == known_families().size());
  for (const auto& [family, n] : grafted) {
    INFO(family);
    CHECK(n >= 3);
  }
}

TEST_CASE("A Wan is grafted on disk, grown on, and the record travels", "[grafts]") {
  const Scratch scratch;
  for (const auto& r : releases()) {
    if (!r.tiny() || r.family != "wan") continue;
    for (const DType type : {DType::f32, DType::bf16}) {
      INFO(r.name);
      std::filesystem::remove_all(scratch / "base");
      random_folder(scratch / "base", r, type);
      const auto in = Checkpoint::open(scratch / "base");
      const Plan p = plan(family_of(in.names(), in.config(), "tiny").schema(in),
                          Graft<grafts::CrossText>{{.width = 6, .max_length = 9}}, InsertBlocks{.every = 1},
                          Graft<grafts::TemporalConv>{{.kind = ConvKind::depthwise}});
      std::filesystem::remove_all(scratch / "grown");
      const Report report = p.write(in, scratch / "grown");
      CHECK(report.read_back);
      CHECK(report.max_residual == 0);
      const auto grown = Checkpoint::open(scratch / "grown");
      const auto* conv = grown.names().find("blocks.1.conv_temp.weight");
      REQUIRE(conv);
      CHECK(conv->dtype == type);
      const Schema s = family_of(grown.names(), grown.config(), "grown").schema(grown);
      REQUIRE(s.grafts.size() == 2);
      CHECK(s.grafts[0].name == "CrossText");
      CHECK(s.grafts[0].options == R"({"width":6,"max_length":9})");
      std::filesystem::remove_all(scratch / "again");
      CHECK(plan(s, Net2Wider{.space = "hidden", .times = 2}).write(grown, scratch / "again").read_back);
    }
  }
}

TEST_CASE("Tensors of a graft that config.json does not record are strangers", "[grafts]") {
  for (const auto& r : releases()) {
    if (!r.tiny() || r.family != "wan") continue;
    auto entries = r.tensors;
    entries.push_back({.name = "blocks.0.conv_temp.weight", .dtype = DType::f32, .shape = {4, 4, 3}});
    const Names names(entries, r.name);
    CHECK(says(message_of<format_error>([&] { family_of(names, r.config, "grown"); }), "blocks.0.conv_temp.weight"));
    break;
  }
}

TEST_CASE("A grafted model whose record is lost is told apart from a stranger", "[grafts]") {
  for (const auto& r : releases()) {
    if (!r.tiny() || r.family != "wan") continue;
    const Names names(r.tensors, r.name);
    const Plan p = plan(family_of(names, r.config, r.name).schema(names, r.config, r.name),
                        Graft<grafts::CrossText>{{.width = 6}}, Graft<grafts::TemporalConv>{},
                        Graft<grafts::TemporalAttention>{}, Graft<grafts::PooledText>{{.width = 6}});
    auto config = detail::parse_json(r.config, r.name);
    config["_class_name"] = "WanTransformer3DModel";
    const auto said = message_of<format_error>([&] { family_of(names_of(p.schema()), config.dump(), "grown"); });
    CHECK(says(said, "are of family 'wan'", "of no line of the family: '"));
    break;
  }
}
