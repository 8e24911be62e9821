// SPDX-License-Identifier: MIT
// States of optimizers as torch saves them: which optimizer, which parameter, and what cannot be told is refused.
#include <modelgrow/checkpoint/torch_optimizer.hpp>
#include <tests/support/training_values.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

NamedShape parameter(std::string name, Shape shape) { return {.name = std::move(name), .shape = shape}; }

/// Of torch.nn.Sequential(Linear(4, 3), Linear(3, 4)).
std::vector<NamedShape> two_layers() {
  return {parameter("0.weight", {3, 4}), parameter("0.bias", {3}), parameter("1.weight", {4, 3}),
          parameter("1.bias", {4})};
}

StoredOptimizer read(const char* file, const std::string& at, std::vector<NamedShape> order = {}) {
  return read_torch_optimizer(training_state / file, {.at = at, .order = std::move(order)});
}

std::string refusal(const char* file, const std::string& at, std::vector<NamedShape> order = {}) {
  const auto text = message_of<format_error>([&] { read(file, at, order); });
  CHECK(says(text, (training_state / file).string()));
  return text;
}

std::vector<std::string> names_of(const StoredOptimizer& optimizer) {
  std::vector<std::string> names;
  for (const auto& p : optimizer.parameters) names.push_back(p.name);
  return names;
}

}  // namespace

TEST_CASE("the state of AdamW, with the values that torch reads") {
  const std::vector<NamedShape> order{parameter("0.weight", {8, 4}), parameter("0.bias", {8}),
                                      parameter("1.weight", {4, 8}), parameter("1.bias", {4})};
  const auto optimizer = read("adamw_state_dict.pt", "", order);
  REQUIRE(optimizer.is.kind);
  CHECK(optimizer.is.kind->word == "adamw");
  REQUIRE(optimizer.groups.size() == 1);
  CHECK(*optimizer.groups[0].options.find("lr")->get<double>() == 0.001);
  CHECK(optimizer.groups[0].options.find("params") == nullptr);
  CHECK(optimizer.groups[0].parameters == std::vector<std::size_t>{0, 1, 2, 3});
  const auto tensors = optimizer.tensors();
  CHECK(tensors.size() == 12);
  const auto values = training_values("adamw_state_dict.pt");
  for (std::size_t i = 0; i < order.size(); ++i)
    for (const auto& [here, there] :
         {std::pair("m", "exp_avg"), std::pair("v", "exp_avg_sq"), std::pair("step", "step")})
      check_values(named(tensors, std::string("adamw.") + here + "." + order[i].name),
                   values["state/" + std::to_string(i) + "/" + there]);
}

TEST_CASE("as one file of tensors, which growth reads") {
  const auto tensors = read("adamw_state_dict.pt", "",
                            {parameter("a", {8, 4}), parameter("b", {8}), parameter("c", {4, 8}), parameter("d", {4})})
                           .tensors();
  const auto file = joined_file("x", tensors);
  REQUIRE(file.tensors().size() == tensors.size());
  for (const auto& t : tensors) {
    const auto* view = file.find(t.name());
    REQUIRE(view);
    CHECK(view->span().data() == t.piece().data());  // nothing is copied
    file.prepare(view->span());
    file.release(view->span());
    CHECK(values_of<double>(*view) == numbers_of(t));
  }
}

TEST_CASE("every optimizer is told by its options and entries") {
  for (const char* word : {"adamw", "adam", "nadam", "radam", "adamax", "rmsprop", "adagrad", "adadelta", "lion", "sgd",
                           "adafactor", "came", "muon", "muon_rms", "schedule_free", "prodigy"}) {
    INFO(word);
    const auto optimizer = read("classes.pt", word);
    REQUIRE(optimizer.is.kind);
    CHECK(optimizer.is.kind->word == word);
    CHECK(optimizer_class(word));
  }
  CHECK(read("classes.pt", "old_adam_without_decay").is.kind->word == "adamw");
}

TEST_CASE("an optimizer that nobody knows is named by what it has") {
  const auto rprop = read("classes.pt", "rprop");
  CHECK(!rprop.is.kind);
  CHECK(says(rprop.is.title, "'prev', 'step', 'step_size'", "'etas'"));
  CHECK(says(message_of<format_error>([&] { rprop.tensors(); }), "'prev'", "no rule", "leave the state behind"));
  CHECK(read("classes.pt", "transformers").is.title == "Adafactor of transformers");
  CHECK(says(read("classes.pt", "some_of_prodigy").is.title, "slice_p"));
  CHECK(says(read("classes.pt", "bitsandbytes").is.title, "bitsandbytes", "other than its Adam"));
  const auto old = read("classes.pt", "old_adam");
  CHECK(!old.is.kind);
  CHECK(says(old.is.title, "Adam or AdamW"));
  CHECK(says(refusal("classes.pt", ""), "several optimizers", "'adamw'", "'rprop'"));
  CHECK(says(refusal("classes.pt", "adamwx"), "no state of an optimizer at 'adamwx'", "'adamw'"));
  CHECK(says(refusal("averages.pt", ""), "no state of an optimizer"));
}

TEST_CASE("who knows the optimizer says so") {
  const auto path = training_state / "classes.pt";
  const auto old =
      read_torch_optimizer(path, {.at = "old_adam", .optimizer = "adam", .order = {parameter("w", {4, 3})}});
  const auto tensors = old.tensors();
  CHECK(numbers_of(named(tensors, "adam.exp_avg.w"))[11] == 11);
  CHECK(numbers_of(named(tensors, "adam.step.w")) == std::vector<double>{2});  // a number of Python
  CHECK(*old.parameters[0].find("step")->number.get<std::int64_t>() == 2);
  CHECK(says(message_of<format_error>([&] { read_torch_optimizer(path, {.at = "rprop", .optimizer = "rprop"}); }),
             "'rprop'", "no optimizer whose state can be moved"));
  const auto wrong = read_torch_optimizer(path, {.at = "rprop", .optimizer = "sgd", .order = two_layers()});
  CHECK(says(message_of<format_error>([&] { wrong.tensors(); }), "'0.weight'", "'step'", "SGD has not"));
}

TEST_CASE("names come from the file, or from the order of the model") {
  const std::vector<std::string> all{"0.weight", "0.bias", "1.weight", "1.bias"};
  CHECK(names_of(read("order.pt", "named")) == all);
  CHECK(names_of(read("order.pt", "named", two_layers())) == all);
  const auto by_group = read("order.pt", "groups", two_layers());
  CHECK(names_of(by_group) == std::vector<std::string>{"0.weight", "1.weight", "0.bias", "1.bias"});
  CHECK(by_group.groups[1].parameters == std::vector<std::size_t>{2, 3});
  CHECK(*by_group.groups[0].options.find("weight_decay")->get<double>() == 0.1);
  const auto unnamed = read("order.pt", "groups");
  CHECK(!unnamed.has_names());
  CHECK(says(message_of<format_error>([&] { unnamed.tensors(); }), "parameter 0 has no name", "give the order"));
  const auto named_by_key = read("broken.pt", "by_name");
  CHECK(names_of(named_by_key) == std::vector<std::string>{"a", "b"});
  CHECK(named_by_key.without_state() == std::vector<std::string>{"b"});
}

TEST_CASE("frozen parameters have no entry, or no number") {
  const auto held = read("order.pt", "first_frozen", two_layers());  // torch keeps their numbers
  CHECK(held.without_state() == std::vector<std::string>{"0.weight", "0.bias"});
  CHECK(held.tensors().size() == 6);
  auto matrices = two_layers();
  std::erase_if(matrices, [](const NamedShape& p) { return p.shape.rank() < 2; });
  CHECK(names_of(read("order.pt", "muon", matrices)) == std::vector<std::string>{"0.weight", "1.weight"});
}

TEST_CASE("two optimizers of one model share its parameters") {
  auto muon = read("order.pt", "muon"), beside = read("order.pt", "beside_muon");
  name_parameters({&muon, &beside}, two_layers());
  CHECK(names_of(muon) == std::vector<std::string>{"0.weight", "1.weight"});
  CHECK(names_of(beside) == std::vector<std::string>{"0.bias", "1.bias"});
  auto again = read("order.pt", "muon");
  CHECK(says(message_of<format_error>([&] {
               name_parameters({&muon, &beside, &again}, two_layers());
             }),
             "overlap", "6 parameters"));
}

TEST_CASE("an order that does not fit is refused, with what to give") {
  auto order = two_layers();
  order.pop_back();
  CHECK(says(refusal("order.pt", "groups", order), "4 parameters", "3 of the model", "overlap"));
  CHECK(says(refusal("order.pt", "muon", two_layers()), "2 parameters", "frozen"));
  order = two_layers();
  std::swap(order[0], order[2]);
  CHECK(says(refusal("order.pt", "groups", order), "no place for '1.weight' of shape [4, 3]", "'exp_avg'", "[3, 4]"));
  CHECK(says(refusal("order.pt", "alike", two_layers()), "does not tell to which group '0.weight'", "group 0",
             "group 1", "order of each group"));
}

TEST_CASE("a state with names must be of the model") {
  auto order = two_layers();
  order[2].shape = {8, 3};
  CHECK(says(refusal("order.pt", "named", order), "'exp_avg' of parameter '1.weight'", "[4, 3]", "[8, 3]"));
  order = two_layers();
  order.push_back(parameter("2.weight", {2}));
  CHECK(says(refusal("order.pt", "named", order), "'2.weight'", "frozen"));
  order = two_layers();
  order[3].name = "1.beta";
  CHECK(says(refusal("order.pt", "named", order), "'1.bias'", "does not train", "'1.beta'"));
}

TEST_CASE("a file that is altered is refused with the key") {
  CHECK(says(refusal("broken.pt", "stray"), "parameter 7", "in no group"));
  CHECK(says(refusal("broken.pt", "twice"), "parameter 0 is twice"));
  CHECK(says(refusal("broken.pt", "names"), "2 parameters and 1 names"));
  CHECK(says(refusal("broken.pt", "one_name"), "two parameters", "'a'"));
  CHECK(says(refusal("broken.pt", "nameless"), "of parameter 0 has no name"));
  CHECK(says(refusal("broken.pt", "nested"), "'momentum_buffer' of parameter 0 is a dict"));
  CHECK(says(refusal("broken.pt", "no_params"), "group 0", "'params'"));
  CHECK(says(refusal("broken.pt", "float_id"), "a parameter that is a float"));
  CHECK(read("broken.pt", "none").parameters[0].entries.empty());
  const Scratch scratch;
  const auto whole = get(training_state / "adamw_state_dict.pt");
  const auto cut = put(scratch / "optimizer.pt", whole.substr(0, whole.size() - 400));
  CHECK(says(message_of<format_error>([&] { read_torch_optimizer(cut); }), cut.string()));
}
