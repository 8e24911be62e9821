// SPDX-License-Identifier: MIT
// Averages in files of torch grow with the weights: by names, in the order of the parameters, in the file of the
// weights.
#include <modelgrow/checkpoint/torch_writer.hpp>
#include <modelgrow/grow/check_grown.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>

#include "disk.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/pickle_bytes.hpp"
#include "tests/support/raw_files.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

/// A folder with weights and averages of them as safetensors, and the same without averages.
struct Bases {
  tiny::Scratch scratch;
  tiny::Config small;
  Schema schema = tiny::disk_schema(small);
  Plan plan = modelgrow::plan(schema, InsertBlocks{.every = 1}, Net2Wider{.space = "ffn", .to = 8});

  Bases() {
    tiny::make_directory<float>(scratch / "all", small);
    tiny::fs::remove(scratch / "all/optimizer.safetensors");
    tiny::fs::copy(scratch / "all", scratch / "base");
    tiny::fs::remove(scratch / "base/ema.safetensors");
  }
  Checkpoint all() { return Checkpoint::open(scratch / "all"); }
  Checkpoint base() { return Checkpoint::open(scratch / "base"); }
  /// The growth of `in`, whose averages have to be those of the safetensors files.
  Report grown(const Checkpoint& in, const WritePlan& how = {}) {
    tiny::fs::remove_all(scratch / "expected");
    tiny::fs::remove_all(scratch / "grown");
    plan.write(all(), scratch / "expected");
    const auto report = plan.write(in, scratch / "grown", how);
    const auto out = Checkpoint::open(scratch / "grown");
    REQUIRE(out.has_ema());
    CHECK(tiny::read_dict(out.ema()) == tiny::read_dict(Checkpoint::open(scratch / "expected").ema()));
    CHECK(std::ranges::find(report.grown_along, "ema.safetensors") != report.grown_along.end());
    CHECK(check_grown(out, in, schema, how.state).max_residual == 0);
    return report;
  }
  std::string refused(const WritePlan& how = {}) {
    const auto text = message_of<format_error>([&] { plan.write(base(), scratch / "refused", how); });
    CHECK_FALSE(tiny::fs::exists(scratch / "refused"));
    return text;
  }
};

/// A file of torch being made.
struct File {
  std::vector<Checkpoint> from = {};  // whose mappings hold the tensors
  std::vector<TensorView> tensors = {};
  PickleTensor add(const TensorView& t) {
    tensors.push_back(t);
    return torch_tensor(std::to_string(tensors.size() - 1), t.dtype, t.shape);
  }
  PickleDict named(const Checkpoint& checkpoint, const std::string& prefix = {}) {
    from.push_back(checkpoint);
    PickleDict dict{.ordered = true};
    for (const auto& t : checkpoint.tensors()) dict.set(prefix + t.name, add(t));
    return dict;
  }
  void write(const tiny::fs::path& path, const PickleDict& root) const {
    TorchWriter writer(path, root);
    for (const auto& t : tensors) writer.write({t.data, t.bytes});
    writer.commit();
  }
};

}  // namespace

TEST_CASE("averages under names of a wrapper, in a file beside the weights") {
  for (const char* name : {"ema.pt", "ema_model.bin", "model_ema.pth"}) {
    Bases b;
    File file;
    file.write(b.scratch / "base" / name, file.named(b.all().ema(), "module."));
    const auto report = b.grown(b.base());
    for (const auto& note : report.notes) CHECK_FALSE(says(note, name));
    WritePlan how;
    how.state.leave_behind = {name};
    b.plan.write(b.base(), b.scratch / "without", how);
    const auto without = Checkpoint::open(b.scratch / "without");
    CHECK_FALSE(without.has_ema());
    CHECK(check_grown(without, b.base(), b.schema).max_residual == 0);  // what was left then is not asked for
  }
}

TEST_CASE("averages in a list go by the order of the parameters") {
  Bases b;
  File file;
  PickleList list;
  WritePlan how;
  const auto averages = b.all().ema();
  for (const auto& t : averages.tensors()) {
    list.values.emplace_back(file.add(t));
    how.state.order.push_back(t.name);
  }
  how.state.frozen = {how.state.order[0]};  // which says nothing of averages
  PickleDict root;
  root.set("decay", 0.999);
  root.set("shadow_params", list);
  file.write(b.scratch / "base/ema.pt", root);
  b.grown(b.base(), how);
  CHECK(says(b.refused(), "ema.pt", "without names", "--leave-behind 'ema.pt'"));
  std::swap(how.state.order[1], how.state.order.back());
  CHECK(says(b.refused(how), "ema.pt", "has shape", "the order is another"));
}

TEST_CASE("averages beside the weights in their file") {
  Bases b;
  File file;
  PickleDict run;
  run.set("model", file.named(b.base()));
  run.set("ema", file.named(b.all().ema()));
  run.set("epoch", 3);
  tiny::fs::create_directory(b.scratch / "torch");
  tiny::fs::copy(b.scratch / "base/config.json", b.scratch / "torch/config.json");
  file.write(b.scratch / "torch/run.ckpt", run);
  for (const char* path : {"torch", "torch/run.ckpt"}) {  // the folder, and the file alone
    const auto report = b.grown(Checkpoint::open(b.scratch / path, {.state_dict = "model"}));
    CHECK(std::ranges::find(report.notes, "of 'run.ckpt' only the weights and averages were grown, not 'epoch'") !=
          report.notes.end());
  }
}

TEST_CASE("averages that do not fit the weights are refused") {
  Bases b;
  const auto averages = b.all().ema();
  const auto write = [&](const PickleDict& root, const File& file) { file.write(b.scratch / "base/ema.pt", root); };
  File another;
  auto dict = another.named(averages);
  dict.set("surplus.weight", another.add(averages.tensors()[0]));
  write(dict, another);
  CHECK(says(b.refused(), "ema.pt", "'surplus.weight'", "which the model does not have", "--leave-behind"));
  File wide;
  const auto& [first, last] = std::pair(averages.tensors().front(), averages.tensors().back());
  REQUIRE(first.shape != last.shape);
  dict = {.ordered = true};
  for (const auto& t : averages.tensors()) dict.set(t.name, wide.add(t.name == first.name ? last : t));
  write(dict, wide);
  CHECK(says(b.refused(), "ema.pt", "'" + first.name + "'", "has shape", "of another model"));
  File cut;
  write(cut.named(averages), cut);
  tiny::fs::copy(b.scratch / "base/ema.pt", b.scratch / "base/ema_model.pt");
  CHECK(says(b.refused(), "several files of averages, 'ema.pt', 'ema_model.pt'", "--leave-behind"));
  tiny::fs::remove(b.scratch / "base/ema_model.pt");
  tiny::fs::resize_file(b.scratch / "base/ema.pt", tiny::fs::file_size(b.scratch / "base/ema.pt") / 2);
  CHECK(says(b.refused(), "ema.pt", "--leave-behind"));
}

TEST_CASE("averages with objects of a package are named and left") {
  Bases b;
  put(b.scratch / "base/ema.pt", torch_zip(pickled::file("caverages.of_a_package\nShadow\n"), {}));
  const auto report = b.plan.write(b.base(), b.scratch / "grown");
  CHECK(std::ranges::any_of(
      report.notes, [](const auto& n) { return says(n, "'ema.pt' was not grown: its averages were not moved"); }));
  CHECK_FALSE(Checkpoint::open(b.scratch / "grown").has_ema());
}
