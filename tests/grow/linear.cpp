// SPDX-License-Identifier: MIT
// Plans, proofs and texts take time in proportion to the number of tensors. Four times the blocks take about four times
// the time; a step that looked through all of them for each would take sixteen times.
#include <algorithm>
#include <ctime>
#include <functional>

#include <modelgrow/grow/correspondence.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/mixture_of_experts.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/optimizer_outputs.hpp>
#include <modelgrow/grow/outputs.hpp>
#include <modelgrow/grow/plan_json.hpp>
#include <modelgrow/grow/plan_print.hpp>
#include <modelgrow/grow/read_back.hpp>

#include "tests/support/catch.hpp"
#include "tiny.hpp"

using namespace modelgrow;

namespace {

double cpu_seconds(const std::function<void()>& work) {
  const auto start = std::clock();
  work();
  return double(std::clock() - start) / CLOCKS_PER_SEC;
}

/// A model of many small blocks, and what can be made of it.
struct Deep {
  explicit Deep(std::int64_t depth)
      : schema(tiny::schema(tiny::Config{.hidden = 2, .heads = 1, .head_dim = 1, .ffn = 2, .depth = depth})),
        grown(plan(schema, InsertBlocks{.every = 1}, MixtureOfExperts{.experts = 2})),
        text(to_json(grown)) {
    for (const auto& p : schema.parameters) {
      names.push_back(p.name);
      for (const auto kind : {OptimizerKind::m, OptimizerKind::v})
        state.push_back(view(optimizer_name(kind, p.name), p.shape()));
      weights.push_back(view(p.name, p.shape()));
    }
    for (std::int64_t b = 0; b < depth; ++b)
      weights.push_back(view(in_block("blocks", b, "unknown.to.the.family"), Shape{2}));
  }
  static TensorView view(std::string name, const Shape& shape) {
    return TensorView{.name = std::move(name), .dtype = DType::f64, .shape = shape, .bytes = 0};
  }
  Schema schema;
  Plan grown;
  std::string text;
  std::vector<std::string> names;
  std::vector<TensorView> weights, state;  // without numbers: nothing here reads them
};

struct Branches {
  static constexpr std::string_view name = "Branches";
  void apply(Plan& p) const {
    std::vector<ParamSpec> added;
    for (std::int64_t b = 0; b < p.schema().stack("blocks").count; ++b)
      added.push_back(ParamSpec{.name = in_block("blocks", b, "new.weight"),
                                .dtype = DType::f64,
                                .info = {.axes = {out(p.schema().space("hidden").space), in(Extent(3))},
                                         .init = Init::zeros(),
                                         .purpose = Purpose::closes}});
    p.add(std::move(added));
  }
};

struct Work {
  const char* what;
  void (*of)(const Deep&);
};
constexpr Work all_work[] = {
    {"blocks", [](const Deep& d) { plan(d.schema, InsertBlocks{.every = 1}); }},
    {"width", [](const Deep& d) { plan(d.schema, Net2Wider{.space = "ffn", .times = 2}); }},
    {"mixtures", [](const Deep& d) { plan(d.schema, MixtureOfExperts{.experts = 2}); }},
    {"layers", [](const Deep& d) { plan(d.schema, Branches{}); }},
    {"printing", [](const Deep& d) { to_string(d.grown); }},
    {"plan.json", [](const Deep& d) { to_json(d.grown); }},
    {"replay", [](const Deep& d) { plan_from_json(d.text, d.schema); }},
    {"weights", [](const Deep& d) { weight_outputs(d.grown, TensorSet(d.weights, "weights")); }},
    {"averages", [](const Deep& d) { weight_outputs(d.grown, TensorSet(d.weights, "averages"), Absent::leave_out); }},
    {"optimizer", [](const Deep& d) { optimizer_outputs(d.grown, TensorSet(d.state, "optimizer")); }},
    {"ancestors", [](const Deep& d) { modelgrow::detail::ancestors(d.grown, d.names); }},
    {"read back", [](const Deep& d) { difference(d.grown.schema(), d.grown.schema()); }},
};

}  // namespace

TEST_CASE("four times the blocks take about four times the time") {
  const Deep some(400), many(1600);
  for (const auto& work : all_work) {
    double before = 1e9, after = 1e9;
    for (int round = 0; round < 3 && after > 8 * before + 0.05; ++round) {  // again where others took the processor
      before = std::min(before, cpu_seconds([&] { work.of(some); }));
      after = std::min(after, cpu_seconds([&] { work.of(many); }));
    }
    INFO(work.what << ": " << before << " s, " << after << " s");
    CHECK(after < 8 * before + 0.05);
  }
}
