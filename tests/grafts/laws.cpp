// SPDX-License-Identifier: MIT
// The laws of every graft at its port: nothing changes at step 0, exactly one factor of each branch is zero and learns
// at once, disk equals live, the folder reads back, later growth keeps the graft.
#include <map>
#include <set>

#include <modelgrow/checkpoint/model_io.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/grafts/known.hpp>
#include <modelgrow/grow/live.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/plan_json.hpp>
#include <modelgrow/grow/read_back.hpp>
#include <modelgrow/grow/write.hpp>
#include <modelgrow/ops/mse.hpp>
#include <modelgrow/verify/forward_check.hpp>

#include "tests/grafts/toy.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/scratch.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

/// A graft of the list with options that fit the toy's inputs.
OperatorCall call_of(const OperatorKind& kind, const std::string& more = "") {
  std::string text = "seed=3";
  for (const auto& f : kind.fields)
    if (f.key == "width") text += ",width=6";
  return kind.from_text(text + more);
}

/// New parameters that the first step moves.
template <class T>
std::set<std::string> moved(toy::Model<T, Cpu>& m, const Plan& plan) {
  const toy::Inputs<T> inputs;
  Tape<T, Cpu> tape;
  const auto loss = mse(tape, inputs(tape, m), toy::noise<T>({2, 3, 4, 3}, 9));
  tape.backward(loss);
  std::set<std::string> names;
  for_each_parameter(m, [&](const std::string& path, const auto& p) {
    if (plan.source().find(path) || !p.gradient.defined()) return;
    for (std::int64_t i = 0; i < p.gradient.size(); ++i)
      if (p.gradient.data()[i] != 0) names.insert(path);
  });
  return names;
}

}  // namespace

TEST_CASE("A graft changes nothing at step 0, and exactly what closes it learns at once", "[grafts]") {
  for (const auto& kind : known_grafts()) {
    INFO(kind.name);
    const auto before = toy::random_model<double>();
    const Plan p = plan(schema(before), std::vector{call_of(kind)});
    CHECK(p.certificate().exactness == Exactness::exact);
    CHECK(p.schema().grafts.size() == 1);
    auto old = before, after = before;
    grow(p, after);
    const auto check = forward_check<double, Cpu>(p, old, after, toy::Inputs<double>{});
    CHECK(check.output.max_abs == 0);
    std::set<std::string> closers, scheduled;
    for (const auto& q : p.schema().parameters)
      if (!p.source().find(q.name)) {
        if (q.info.purpose == Purpose::closes) closers.insert(q.name);
        if (q.info.purpose == Purpose::scheduled) scheduled.insert(q.name);
      }
    CHECK(closers.size() + scheduled.size() > 0);
    CHECK(moved(after, p) == closers);
  }
}

TEST_CASE("A graft that has opened changes the function", "[grafts]") {
  for (const auto& kind : known_grafts()) {
    INFO(kind.name);
    auto before = toy::random_model<double>(), after = before;
    const Plan p = plan(schema(before), std::vector{call_of(kind)});
    grow(p, after);
    for_each_parameter(after, [&](const std::string& path, auto& q) {
      if (!p.source().find(path) && closes_branch(q.info.purpose))
        for (std::int64_t i = 0; i < q.value.size(); ++i) q.value.data()[i] = 0.1;
    });
    CHECK(forward_check<double, Cpu>(p, before, after, toy::Inputs<double>{}).output.max_abs > 1e-6);
  }
}

TEST_CASE("Disk equals live, the folder reads back, and growth goes on", "[grafts]") {
  const Scratch scratch;
  const Family family(toy::text);
  const auto base = toy::random_model<float>();
  std::filesystem::create_directories(scratch / "base");
  save(scratch / "base/model.safetensors", base);
  detail::write_file(scratch / "base/config.json", "{\"heads\": 2}\n");
  const auto in = Checkpoint::open(scratch / "base");
  for (const auto& kind : known_grafts()) {
    INFO(kind.name);
    const auto out = scratch / kind.name;
    const Plan p = plan(family.schema(in), std::vector{call_of(kind)});
    const Report report = p.write(in, out);
    CHECK(report.read_back);
    CHECK(report.max_residual == 0);
    auto live = base;
    grow(plan_from_json(to_json(p), schema(base)), live);
    const auto written = Checkpoint::open(out);
    auto read = rebuild(live, family.schema(written));
    load(read, written);
    std::map<std::string, Tensor<float, Cpu>> values;
    for_each_parameter(live, [&](const std::string& path, const auto& q) { values[path] = q.value; });
    for_each_parameter(read, [&](const std::string& path, const auto& q) {
      INFO(path);
      const auto& v = values.at(path);
      CHECK(std::equal(v.data(), v.data() + v.size(), q.value.data()));
    });
    CHECK(family.schema(written).grafts == p.schema().grafts);
    const auto config = nlohmann::json::parse(detail::read_file(out / "config.json"));  // in the order of its keys
    detail::write_file(out / "config.json", config.dump());
    CHECK(read_back(p, Checkpoint::open(out)));
    const Plan more = plan(family.schema(written), InsertBlocks{.every = 1}, Net2Wider{.space = "hidden", .times = 2},
                           Net2Wider{.space = "ffn", .to = 30});
    CHECK(more.certificate().exactness == Exactness::exact);
    CHECK(more.write(written, scratch / (kind.name + "-again")).read_back);
    auto grown = read;
    grow(more, grown);
    const auto check = forward_check<float, Cpu>(more, read, grown, toy::Inputs<float>{});
    CHECK(check.output.max_rel < 1e-5);
  }
}

TEST_CASE("What no graft can be is refused, and the message says why", "[grafts]") {
  const Schema s = schema(toy::Model<float, Meta>(toy::Config{}));
  const auto refusal = [&](const auto&... ops) { return message_of<plan_error>([&] { plan(s, ops...); }); };
  using Conv = Graft<grafts::TemporalConv>;
  using Text = Graft<grafts::CrossText>;
  CHECK(says(refusal(Conv{{.kernel = 4}}), "TemporalConv", "kernel 4", "use 3 or 5"));
  CHECK(says(refusal(Text{}), "CrossText", "width 0", "expected"));
  CHECK(says(refusal(Graft<grafts::TemporalAttention>{{.frames = 0}}), "frames is 0"));
  CHECK(says(refusal(Graft<grafts::TemporalAttention>{{.frames = 99'999'999'999}}), "position",
             "an axis of 99999999999"));
  CHECK(says(refusal(Graft<grafts::Refiner>{{.depth = 0}}), "depth 0"));
  CHECK(says(refusal(Graft<grafts::Refiner>{{.depth = 99'999'999'999}}), "Refiner", "99999999999 blocks", "1024"));
  CHECK(says(refusal(Graft<grafts::PooledText>{}), "width 0"));
  CHECK(says(refusal(Conv{}, Conv{}), "already"));
  CHECK(says(refusal(Text{{.width = 6}}, Graft<grafts::GatedText>{{.width = 6}}), "already"));
  Schema bare = s;
  bare.ports = {{.name = "time"}};
  CHECK(says(message_of<plan_error>([&] { plan(bare, Conv{}); }), "no port 'temporal'", "it has: time"));
  Schema headless = s;
  headless.ports[1].heads = "nobody";
  CHECK(says(message_of<plan_error>([&] { plan(headless, Text{{.width = 6}}); }), "heads"));
}

TEST_CASE("Records that cannot be meant are refused", "[grafts]") {
  const auto refusal = [](const std::string& config) {
    return message_of<format_error>([&] { Family(toy::text).grafted(config, "here"); });
  };
  CHECK(says(refusal(R"({"_modelgrow": 3})"), "here", "'_modelgrow'", "3"));
  CHECK(says(refusal(R"({"_modelgrow": {"grafts": [{"graft": "X"}]}})"), "graft 1", "'tensors'"));
  CHECK(says(refusal(R"({"_modelgrow": {"grafts": [{"graft": "X", "tensors": {"a": 1}}]}})"), "'a'"));
  CHECK(says(refusal(R"({"_modelgrow": {"grafts": [{"graft": "X", "tensors": {}}, {"graft": "X", "tensors": {}}]}})"),
             "'X' twice"));
  CHECK(says(
      message_of<format_error>([] { second_text({{.name = "X", .options = R"({"width": "w"})", .tensors = {}}}); }),
      "'X'", "\"w\""));
  CHECK(says(refusal(R"({"_modelgrow": {"grafts": [{"graft": "X", "options": 1, "tensors": {}}]}})"), "'options'"));
  for (const char* wrong : {"3", "[3]", R"({"a":"b"})"})
    CHECK(says(refusal(R"({"_modelgrow": {"grafts": [{"graft": "X", "tensors": {}, "replaces": )" + std::string(wrong) +
                       "}]}}"),
               "'replaces'", wrong));
  CHECK(
      says(refusal(R"({"_modelgrow": {"grafts": [{"graft": "X", "tensors": {"a": "inn hidden"}}]}})"), "'inn hidden'"));
}
