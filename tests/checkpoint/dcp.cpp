// SPDX-License-Identifier: MIT
// Distributed checkpoints of torch: tensors of all ranks, values, optimizers in both layouts, and folders that are not
// of one save.
#include <set>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/checkpoint/dcp_optimizer.hpp>
#include <modelgrow/checkpoint/dcp_writer.hpp>
#include <modelgrow/checkpoint/rank_files.hpp>
#include <tests/support/training_values.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

const std::filesystem::path folder = training_state / "dcp";

void copy_to(const Scratch& scratch, const std::filesystem::path& from, const std::filesystem::path& below = {}) {
  for (const auto& entry : std::filesystem::directory_iterator(from))
    put(scratch.path() / below / entry.path().filename(), get(entry.path()));
}

template <class E>
std::string refusal(const Scratch& scratch) {
  return message_of<E>([&] {
    const auto f = DcpFolder::open(scratch.path());
    for (const auto& item : f.items()) item.is_tensor ? (void)f.tensor(item) : (void)f.value(item);
  });
}

/// With the .metadata of a mistake.
std::string refusal_of(const std::string& mistake) {
  const Scratch scratch;
  copy_to(scratch, folder);
  put(scratch / ".metadata", get(training_state / "dcp_broken" / (mistake + ".metadata")));
  return refusal<format_error>(scratch);
}

}  // namespace

TEST_CASE("every tensor of two ranks, with the values that torch reads") {
  const auto f = DcpFolder::open(folder);
  const auto values = training_values("dcp");
  std::set<std::string> seen;
  for (const auto& item : f.items())
    if (item.is_tensor) {
      std::string keys;
      for (const auto& key : item.keys) keys += (keys.empty() ? "" : "/") + key;
      seen.insert(keys);
      INFO(keys);
      REQUIRE(detail::has(values, keys));
      check_values(f.tensor(item), values[keys]);
    }
  CHECK(seen.size() == values.size());
}

TEST_CASE("weights, values and the state of the optimizer") {
  const auto f = DcpFolder::open(folder);
  const auto weights = f.tensors("model");
  CHECK(weights.size() == 11);
  CHECK(named(weights, "a.weight").parts().size() == 2);
  CHECK(named(weights, "one").parts().size() == 1);  // the second rank has an empty box
  CHECK(*f.value(f.item("extra.lr")).get<double>() > 0);
  REQUIRE(dcp_optimizers(f) == std::vector<std::string>{"optim"});
  const auto optimizer = dcp_optimizer(f, "optim");
  REQUIRE(optimizer.is.kind);
  CHECK(optimizer.is.kind->word == "adamw");
  REQUIRE(optimizer.groups.size() == 1);
  CHECK(optimizer.groups[0].options.find("lr"));
  CHECK(optimizer.groups[0].options.find("params") == nullptr);
  CHECK(optimizer.without_state().empty());
  const auto tensors = optimizer.tensors();
  CHECK(tensors.size() == 30);
  check_values(named(tensors, "adamw.m.blocks.1.weight"),
               training_values("dcp")["optim/state/blocks.1.weight/exp_avg"]);
  const auto file = joined_file(folder, tensors);
  for (const auto& t : tensors) CHECK(values_of<double>(*file.find(t.name())) == numbers_of(t));
}

TEST_CASE("the flattened layout has the same groups") {
  const auto f = DcpFolder::open(training_state / "dcp_flat");
  CHECK(f.tensors("model").size() == 4);
  REQUIRE(dcp_optimizers(f) == std::vector<std::string>{"optim"});
  const auto optimizer = dcp_optimizer(f, "optim");
  CHECK(optimizer.is.kind->word == "adamw");
  REQUIRE(optimizer.groups.size() == 2);
  CHECK(*optimizer.groups[0].options.find("lr")->get<double>() == 1e-2);
  CHECK(*optimizer.groups[1].options.find("lr")->get<double>() == 1e-3);
  CHECK(optimizer.parameters[optimizer.groups[1].parameters[0]].name == "1.weight");
  const auto tensors = optimizer.tensors();
  CHECK(tensors.size() == 12);
  CHECK(numbers_of(named(tensors, "adamw.step.0.bias")) == std::vector<double>{1});
}

TEST_CASE("a run of two distributed checkpoints is read as one, and names the folder in which something is wrong") {
  const auto one = DcpFolder::open(folder);
  const Scratch scratch;
  write_dcp(scratch / "model", dcp_entries(one.tensors("model"), ""));
  auto optimizers = dcp_entries(dcp_optimizer(one, "optim"), "optim", DcpLayout::flattened);
  optimizers.push_back({.keys = {PickleValue("sched"), PickleValue("step")}, .value = PickleValue(7)});
  write_dcp(scratch / "optim", optimizers);
  const auto f = DcpFolder::open(scratch.path());
  CHECK(f.folder_of("model") == "model");
  CHECK(f.metadata("optim/optim") == scratch / "optim" / ".metadata");
  CHECK(*f.value(f.item("optim/sched.step")).get<std::int64_t>() == 7);
  for (const auto& t : one.tensors("model")) CHECK(numbers_of(named(f.tensors("model"), t.name())) == numbers_of(t));
  REQUIRE(dcp_optimizers(f) == std::vector<std::string>{"optim/optim"});
  const auto moments = dcp_optimizer(f, "optim/optim").tensors();
  for (const auto& t : dcp_optimizer(one, "optim").tensors())
    CHECK(numbers_of(named(moments, t.name())) == numbers_of(t));
  const auto c = Checkpoint::open(scratch.path());
  CHECK(c.names().size() == 11);
  CHECK(c.state_dict() == "model");
  CHECK(c.store() == scratch.path());
  CHECK(Checkpoint::open(scratch / "model").names().size() == 11);

  const auto metadata = scratch / "optim" / ".metadata";
  const auto whole = get(metadata), values = get(scratch / "optim" / dcp_file);
  put(scratch / "optim" / dcp_file, values.substr(0, values.size() - 100));
  CHECK(says(refusal<format_error>(scratch), (scratch / "optim" / dcp_file).string(), "it is cut"));
  std::filesystem::remove(scratch / "optim" / dcp_file);
  CHECK(says(refusal<io_error>(scratch), "of the 2 files", "'optim/__0_0.distcp' is missing"));
  put(metadata, get(training_state / "dcp_broken/no_values.metadata"));
  CHECK(says(refusal<format_error>(scratch), metadata.string(), "no metadata of a distributed checkpoint"));
  copy_to(scratch, folder, "optim");
  put(metadata, get(training_state / "dcp_broken/no_place.metadata"));
  CHECK(says(refusal<format_error>(scratch), metadata.string(), "'optim/model.a.weight at [3, 0]' stands in no file"));
  std::filesystem::remove(metadata);
  CHECK(says(message_of<io_error>([&] { Checkpoint::open(scratch.path()); }), (scratch / "optim").string(),
             "no .metadata", "fetch it", "give '" + (scratch / "model").string() + "'"));
  std::filesystem::remove_all(scratch / "optim");
  CHECK(Checkpoint::open(scratch.path()).names().size() == 11);
  CHECK(dcp_optimizers(DcpFolder::open(scratch.path())).empty());
}

TEST_CASE("names that are not there") {
  const auto f = DcpFolder::open(folder);
  CHECK(says(message_of<format_error>([&] { f.item("model.a.weihgt"); }), "'model.a.weight'"));
  CHECK(says(message_of<format_error>([&] { dcp_optimizer(f, "model"); }), "(model)", "no state of an optimizer"));
  CHECK(says(message_of<format_error>([&] { f.value(f.item("model.a.weight")); }), "is a tensor"));
  CHECK(f.tensors("nothing").empty());
}

TEST_CASE("a missing or cut file of a rank, and one of another save") {
  const Scratch scratch;
  CHECK(says(refusal<io_error>(scratch), "no .metadata"));
  copy_to(scratch, folder);
  CHECK(refusal<format_error>(scratch).empty());
  std::filesystem::remove(scratch / "__1_0.distcp");
  CHECK(says(refusal<io_error>(scratch), "of the 2 files", "'__1_0.distcp' is missing"));
  const auto whole = get(folder / "__1_0.distcp");
  put(scratch / "__1_0.distcp", whole.substr(0, whole.size() - 100));
  CHECK(says(refusal<format_error>(scratch), "__1_0.distcp", "another save"));
  auto mixed = whole;  // in the place of the weights a.bias of rank 1 those of blocks.0.weight
  const auto& rank = [&](std::size_t at) { return whole.substr(at, 1577); };
  mixed.replace(24971, 1577, rank(26548));
  put(scratch / "__1_0.distcp", mixed);
  CHECK(says(refusal<format_error>(scratch), "__1_0.distcp", "'model.a.bias at [3]'", "size [2, 5]", "another save"));
  mixed.replace(24971, 1577, std::string(1577, 'x'));
  put(scratch / "__1_0.distcp", mixed);
  CHECK(says(refusal<format_error>(scratch), "__1_0.distcp", "there should be 'model.a.bias at [3]'"));
}

TEST_CASE("metadata that says something else is refused with the tensor") {
  CHECK(refusal_of("none").empty());
  CHECK(says(refusal_of("overlap"), "'model.a.weight'", "overlapping parts", "at [2, 0] of size [2, 3]"));
  CHECK(says(refusal_of("hole"), "'model.a.weight'", "9 of its 15 elements"));
  CHECK(says(refusal_of("no_place"), "'model.a.weight at [3, 0]' stands in no file"));
  CHECK(says(refusal_of("no_values"), "no metadata of a distributed checkpoint"));
}

TEST_CASE("safetensors files of ranks, joined") {
  const auto path = training_state / "dcp_safetensors";
  const auto values = training_values("dcp_safetensors/joined");
  const auto joined = join_rank_files(path);
  CHECK(joined.size() == values.size());
  for (const auto& t : joined) check_values(t, values[t.name()]);

  const Scratch scratch;
  CHECK(says(message_of<format_error>([&] { join_rank_files(scratch.path()); }), "no files of ranks"));
  const std::string first = "shard-00001-model-00001-of-00001.safetensors",
                    second = "shard-00002-model-00001-of-00001.safetensors";
  put(scratch / first, get(path / first));
  const auto refusal = [&](const std::vector<NamedShape>& expected = {}) {
    return message_of<format_error>([&] { join_rank_files(scratch.path(), expected); });
  };
  CHECK(says(refusal(), first, "parts of tensors", "give the shapes"));
  CHECK(says(refusal({{.name = "a.weight", .shape = {5, 3}}}), "'a.weight' of shape [5, 3]", "9 of its 15"));
  CHECK(says(refusal({{.name = "b", .shape = {5, 3}}}), "'b' is in no file"));
  put(scratch / "shard-00003-model-00001-of-00001.safetensors", get(path / second));
  CHECK(says(refusal(), "the file of rank 2 is missing"));
  put(scratch / second, get(path / first));
  CHECK(says(refusal(), "overlapping parts"));
  put(scratch / second, get(training_state / "accelerate/model.safetensors"));
  CHECK(says(refusal(), second, "no offsets"));
}
