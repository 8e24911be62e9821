// SPDX-License-Identifier: MIT
// A torch file grows as the same weights in a safetensors file do, and is found again when the growth is checked.
#include <modelgrow/checkpoint/torch_writer.hpp>
#include <modelgrow/grow/check_grown.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>

#include "disk.hpp"
#include "tests/support/catch.hpp"

using namespace modelgrow;

namespace {

/// The weights of a checkpoint under "model" and once more under "ema", and a counter. Matrices are saved
/// transposed, so that their bytes must be gathered.
void save_run(const tiny::fs::path& path, const Checkpoint& from) {
  PickleDict model{.ordered = true}, average{.ordered = true}, run;
  std::vector<std::vector<std::byte>> storages;
  for (const auto& t : from.tensors()) {
    std::vector<std::byte> bytes(t.data, t.data + t.bytes);
    PickleTensor tensor = torch_tensor(std::to_string(storages.size()), t.dtype, t.shape);
    if (t.shape.rank() == 2) {
      const std::int64_t rows = t.shape[0], columns = t.shape[1];
      const auto size = t.bytes / std::size_t(rows * columns);
      tensor.strides = Shape{1, rows};
      for (std::int64_t i = 0; i < rows; ++i)
        for (std::int64_t j = 0; j < columns; ++j)
          std::memcpy(&bytes[std::size_t(j * rows + i) * size], t.data + std::size_t(i * columns + j) * size, size);
    }
    storages.push_back(std::move(bytes));
    model.set(t.name, tensor);
    average.set(t.name, tensor);
  }
  run.set("epoch", 3);
  run.set("model", model);
  run.set("ema", average);
  TorchWriter writer(path, run);
  for (const auto& bytes : storages) writer.write(bytes);
  writer.commit();
}

}  // namespace

TEST_CASE("a torch file grows to the same weights as a safetensors file") {
  const tiny::Scratch scratch;
  const tiny::Config small;
  tiny::make_directory<float>(scratch / "base", small);
  for (const char* file : {"ema.safetensors", "optimizer.safetensors"}) tiny::fs::remove(scratch / "base" / file);
  const auto base = Checkpoint::open(scratch / "base");
  tiny::fs::create_directory(scratch / "torch");
  tiny::fs::copy(scratch / "base/config.json", scratch / "torch/config.json");
  save_run(scratch / "torch/run.ckpt", base);

  const Plan p = plan(tiny::disk_schema(small), InsertBlocks{.every = 1}, Net2Wider{.space = "ffn", .to = 8});
  p.write(base, scratch / "grown");
  const auto in = Checkpoint::open(scratch / "torch", {.state_dict = "model"});
  const auto report = p.write(in, scratch / "grown_torch");
  CHECK(std::ranges::find(report.notes, "of 'run.ckpt' only the weights and averages were grown, not 'epoch'") !=
        report.notes.end());
  const auto grown = Checkpoint::open(scratch / "grown_torch");
  CHECK(grown.weights_path().filename() == "run.safetensors");
  CHECK(tiny::read_dict(grown) == tiny::read_dict(Checkpoint::open(scratch / "grown")));
  CHECK(tiny::read_dict(grown.ema()) == tiny::read_dict(grown));  // as in the file

  const auto source = source_of(grown);
  CHECK(source.state_dict == "model");
  const auto old = open_source(source, source.path);
  CHECK(old.state_dict() == "model");
  CHECK(check_grown(grown, old, tiny::disk_schema(small)).max_residual == 0);
}
