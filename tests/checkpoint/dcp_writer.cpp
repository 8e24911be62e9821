// SPDX-License-Identifier: MIT
// Distributed checkpoints written: what was read is read again, in both layouts.
#include <modelgrow/checkpoint/dcp_optimizer.hpp>
#include <modelgrow/checkpoint/dcp_writer.hpp>
#include <modelgrow/checkpoint/pickle_access.hpp>
#include <modelgrow/checkpoint/pickle_text.hpp>
#include <tests/support/training_values.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

TEST_CASE("weights, values and an optimizer are written and read, in both layouts") {
  const auto from = DcpFolder::open(training_state / "dcp");
  const auto weights = from.tensors("model");
  auto before = dcp_optimizer(from, "optim");
  before.param_names = true;  // as of torch.optim.AdamW(model.named_parameters())
  for (const auto layout : {DcpLayout::nested, DcpLayout::flattened}) {
    const Scratch scratch;
    auto entries = dcp_entries(weights, "model");
    const auto state = dcp_entries(before, "optim", layout);
    entries.insert(entries.end(), state.begin(), state.end());
    entries.push_back({.keys = {PickleValue("extra"), PickleValue("list"), PickleValue(0)}, .value = PickleValue(2.5)});
    write_dcp(scratch / "out", entries);
    const auto f = DcpFolder::open(scratch / "out");
    CHECK(*f.value(f.item("extra.list.0")).get<double>() == 2.5);
    const auto again = f.tensors("model");
    REQUIRE(again.size() == weights.size());
    for (const auto& t : weights) {
      CHECK(named(again, t.name()).about() == t.about());
      CHECK(numbers_of(named(again, t.name())) == numbers_of(t));
    }
    const auto after = dcp_optimizer(f, "optim");
    REQUIRE(after.groups.size() == before.groups.size());
    CHECK(detail::text_of(after.groups[0].options) == detail::text_of(before.groups[0].options));
    const auto tensors = after.tensors();
    CHECK(tensors.size() == 30);
    CHECK(after.param_names);
    const auto listed = layout == DcpLayout::nested
                            ? "optim.param_groups.0.param_names"
                            : "optim.param_groups." + before.parameters[0].name + ".param_names";
    const auto names = f.value(f.item(listed));
    REQUIRE(detail::sequence(&names));
    CHECK(detail::sequence(&names)->size() == before.parameters.size());
    CHECK(*(*detail::sequence(&names))[1].get<std::string>() == before.parameters[1].name);
    for (const auto& t : before.tensors()) CHECK(numbers_of(named(tensors, t.name())) == numbers_of(t));
  }
}

TEST_CASE("an empty tensor, and what cannot be written") {
  const Scratch scratch;
  const JoinedTensor empty({.name = "e", .shape = {0, 3}}, JoinedTensor::Parts::boxes, {}, "x");
  write_dcp(scratch / "out", dcp_entries({empty}, "model"));
  CHECK(DcpFolder::open(scratch / "out").tensors("model")[0].shape() == Shape{0, 3});
  auto twice = dcp_entries({empty, empty}, "model");
  CHECK(
      says(message_of<format_error>([&] { write_dcp(scratch / "two", twice); }), "two values have the name 'model.e'"));
  CHECK(!std::filesystem::exists(scratch / "two"));
  const JoinedTensor strange({.name = "s", .dtype = DType::f4, .shape = {0}}, JoinedTensor::Parts::boxes, {}, "x");
  CHECK(says(message_of<format_error>([&] { write_dcp(scratch / "two", dcp_entries({strange}, "model")); }), "'s'",
             "F4"));
  StoredOptimizer nameless{.parameters = {{}}, .source = "file"};
  CHECK(
      says(message_of<format_error>([&] { dcp_entries(nameless, "optim", DcpLayout::nested); }), "file", "name them"));
}
