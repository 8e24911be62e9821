// SPDX-License-Identifier: MIT
// States of optimizers written back: the same numbers and options, and after growth new numbers in the middle.
#include <modelgrow/checkpoint/pickle_text.hpp>
#include <modelgrow/checkpoint/regroup.hpp>
#include <modelgrow/checkpoint/torch_optimizer.hpp>
#include <modelgrow/checkpoint/torch_optimizer_writer.hpp>
#include <tests/support/training_values.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

NamedShape parameter(std::string name, Shape shape) { return {.name = std::move(name), .shape = shape}; }

std::vector<NamedShape> two_layers() {
  return {parameter("0.weight", {3, 4}), parameter("0.bias", {3}), parameter("1.weight", {4, 3}),
          parameter("1.bias", {4})};
}

StoredOptimizer state(const char* file, const std::string& at, std::vector<NamedShape> order = {}) {
  return read_torch_optimizer(training_state / file, {.at = at, .order = std::move(order)});
}

void check_same(const StoredOptimizer& a, const StoredOptimizer& b) {
  REQUIRE(a.groups.size() == b.groups.size());
  REQUIRE(a.parameters.size() == b.parameters.size());
  CHECK(a.ids == b.ids);
  for (std::size_t g = 0; g < a.groups.size(); ++g) {
    CHECK(detail::text_of(a.groups[g].options) == detail::text_of(b.groups[g].options));
    CHECK(a.groups[g].parameters == b.groups[g].parameters);
  }
  for (std::size_t p = 0; p < a.parameters.size(); ++p) {
    REQUIRE(a.parameters[p].entries.size() == b.parameters[p].entries.size());
    for (const auto& e : a.parameters[p].entries) {
      const auto* other = b.parameters[p].find(e.name);
      REQUIRE(other);
      CHECK(other->tensor.about().dtype == e.tensor.about().dtype);
      CHECK(other->tensor.shape() == e.tensor.shape());
      CHECK(detail::text_of(e.number) == detail::text_of(other->number));
      CHECK(numbers_of(e.tensor) == numbers_of(other->tensor));
    }
  }
}

}  // namespace

TEST_CASE("what was read is written, for every optimizer") {
  const Scratch scratch;
  for (const char* at : {"adamw", "sgd", "nadam", "adafactor", "muon", "came", "prodigy", "schedule_free", "rprop"}) {
    INFO(at);
    const auto before = state("classes.pt", at);
    write_torch_optimizer(scratch / "optimizer.pt", before);
    check_same(before, read_torch_optimizer(scratch / "optimizer.pt"));
  }
  for (const char* at : {"named", "groups", "first_frozen"}) {
    INFO(at);
    const auto before = state("order.pt", at);
    write_torch_optimizer(scratch / "optimizer.pt", before);
    const auto after = read_torch_optimizer(scratch / "optimizer.pt");
    check_same(before, after);
    CHECK(after.has_names() == before.has_names());
  }
  const auto by_name = state("broken.pt", "by_name");
  write_torch_optimizer(scratch / "optimizer.pt", by_name);
  CHECK(read_torch_optimizer(scratch / "optimizer.pt").parameters[1].name == "b");
}

TEST_CASE("no two entries share a storage") {
  const auto before = state("order.pt", "groups");
  const Scratch scratch;
  write_torch_optimizer(scratch / "optimizer.pt", before);
  std::size_t entries = 0;
  for (const auto& p : before.parameters) entries += p.entries.size();
  CHECK(TorchFile::open(scratch / "optimizer.pt").storages().size() == entries);
}

TEST_CASE("parameters in the middle get numbers there, in the group of the caller") {
  const auto old = state("order.pt", "groups", two_layers());
  auto tensors = old.tensors();
  for (const char* kind : {".weight", ".bias"})
    for (const char* entry : {"adamw.step.", "adamw.m.", "adamw.v."})
      tensors.push_back(named(tensors, std::string(entry) + "0" + kind).renamed(std::string(entry) + "0b" + kind));
  const std::vector<GroupedParameter> order{{"0.weight", 0}, {"0.bias", 1},   {"0b.weight", 0},
                                            {"0b.bias", 1},  {"1.weight", 0}, {"1.bias", 1}};
  const auto grown = regrouped(old, order, tensors);
  CHECK(grown.groups[0].parameters == std::vector<std::size_t>{0, 1, 2});
  CHECK(grown.parameters[1].name == "0b.weight");
  CHECK(grown.parameters[3].name == "0.bias");
  CHECK(regrouped(old, order, old.tensors()).without_state() == std::vector<std::string>{"0b.weight", "0b.bias"});
  const Scratch scratch;
  write_torch_optimizer(scratch / "optimizer.pt", grown);
  auto model = two_layers();
  model.insert(model.begin() + 2, {parameter("0b.weight", {3, 4}), parameter("0b.bias", {3})});
  const auto again = read_torch_optimizer(scratch / "optimizer.pt", {.order = model});
  check_same(grown, again);
  CHECK(again.parameters[2].name == "1.weight");
  CHECK(*again.groups[0].options.find("weight_decay")->get<double>() == 0.1);
  for (const auto& t : old.tensors()) CHECK(numbers_of(t) == numbers_of(named(again.tensors(), t.name())));
}

TEST_CASE("numbers of Python stay numbers of Python") {
  const auto old = state("classes.pt", "came", {parameter("w", {4, 3})});
  const auto grown = regrouped(old, {{"w", 0}}, old.tensors());
  const Scratch scratch;
  write_torch_optimizer(scratch / "optimizer.pt", grown);
  const auto again = read_torch_optimizer(scratch / "optimizer.pt");
  CHECK(*again.parameters[0].find("step")->number.get<std::int64_t>() == 2);
  CHECK(again.parameters[0].find("RMS")->number.is_none());
}

TEST_CASE("what does not belong together is refused") {
  const auto old = state("order.pt", "groups", two_layers());
  const auto tensors = old.tensors();
  const std::vector<GroupedParameter> order{{"0.weight", 0}, {"0.bias", 1}, {"1.weight", 0}, {"1.bias", 1}};
  const auto refusal = [&](const StoredOptimizer& optimizer, std::vector<GroupedParameter> given) {
    return message_of<format_error>([&] { regrouped(optimizer, given, tensors); });
  };
  CHECK(refusal(old, order).empty());
  auto wrong = order;
  wrong[2].group = 2;
  CHECK(says(refusal(old, wrong), "'1.weight' should be in group 2", "there are 2"));
  wrong = order;
  wrong[2].name = "0.weight";
  CHECK(says(refusal(old, wrong), "'0.weight' is listed twice"));
  wrong = order;
  wrong.pop_back();
  CHECK(says(refusal(old, wrong), ".1.bias'", "not trained"));
  CHECK(says(refusal(state("classes.pt", "rprop"), order), "no rule"));
  const std::vector strange{named(old.tensors(), "adamw.m.0.weight").renamed("adamw.x.0.weight")};
  CHECK(says(message_of<format_error>([&] { regrouped(old, order, strange); }),
             "no entry for tensor 'adamw.x.0.weight'"));
  const auto tree_of = [](const StoredOptimizer& s) {
    return message_of<format_error>(
        [&] { detail::torch_optimizer_tree(s, [](const JoinedTensor&) { return PickleValue(); }); });
  };
  auto nameless = state("order.pt", "groups");
  nameless.param_names = true;
  CHECK(says(tree_of(nameless), "parameters have none"));
  auto rate = state("order.pt", "groups");
  rate.groups[0].options.set("lr", PickleValue(torch_tensor("0", DType::f32, {})));
  CHECK(says(tree_of(rate), "is a tensor"));
}
