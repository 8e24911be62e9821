// SPDX-License-Identifier: MIT
// The program shrink_run as a user meets it: what becomes 16 bits, what stays, which links it follows, and where it
// writes nothing.
#include <filesystem>
#include <string>
#include <vector>

#include <modelgrow/checkpoint.hpp>
#include <modelgrow/detail/json.hpp>
#include <tests/support/program.hpp>
#include <tests/support/raw_files.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;
namespace fs = std::filesystem;

namespace {

using Values = std::vector<float>;
struct Stored {
  std::string name;
  Values values;
};

void store(const fs::path& path, const std::vector<Stored>& tensors, const WriteOptions& options = {}) {
  fs::create_directories(path.parent_path());
  std::vector<NamedShape> declared;
  for (const auto& t : tensors)
    declared.push_back(NamedShape{.name = t.name, .dtype = DType::f32, .shape = {std::int64_t(t.values.size())}});
  CheckpointWriter writer(path, declared, {{"updates", "7"}}, options);
  for (const auto& t : tensors) writer.write(t.name, std::as_bytes(std::span(t.values)));
  writer.commit();
}

/// A run of one tensor, whose second moments are as small as they are in training.
struct Run {
  Scratch scratch;
  fs::path path = scratch / "run";
  Values weights{0.5f, -3.0f}, first{1e-9f, -2e-5f}, second{4e-13f, 1e-20f};

  Run() {
    fs::create_directory(path);
    put(path / "trainer.json", "{\"step\": 3, \"seed\": 1}");
    store(path / "transformer/model.safetensors", {{"w", weights}});
    store(path / "transformer/ema.safetensors", {{"w", weights}});
    store(path / "transformer/optimizer.safetensors", state());
    put(path / "transformer/config.json", "{}");
  }
  std::vector<Stored> state() const {
    return {{"adamw.m.w", first}, {"adamw.v.w", second}, {"adamw.master.w", weights}};
  }
  fs::path operator/(const std::string& name) const { return scratch / name; }
  ProgramResult shrink(const fs::path& to, const std::string& more = "") const {
    return testing::run("shrink_run " + path.string() + " " + to.string() + more);
  }
  /// What it says when it refuses, and leaves nothing.
  std::string refused(const fs::path& to, const std::string& more = "") const {
    const auto entries = scratch.entries();
    const auto r = shrink(to, more);
    INFO(r.output);
    CHECK(r.code == 1);
    CHECK(scratch.entries() == entries);
    return r.output;
  }
};

DType type_in(const fs::path& file, const std::string& tensor) { return Checkpoint::open(file).tensor(tensor).dtype; }
Values values_in(const fs::path& file, const std::string& tensor) {
  return values_of<float>(Checkpoint::open(file).tensor(tensor));
}

}  // namespace

TEST_CASE("shrink_run: weights and averages become 16 bits, second moments never become zero") {
  const Run run;
  const auto out = run / "small" / "transformer";
  SECTION("BF16 has the range of F32") {
    REQUIRE(run.shrink(run / "small").code == 0);
    for (const char* file : {"model.safetensors", "ema.safetensors"}) CHECK(type_in(out / file, "w") == DType::bf16);
    CHECK(type_in(out / "optimizer.safetensors", "adamw.v.w") == DType::bf16);
    CHECK(type_in(out / "optimizer.safetensors", "adamw.master.w") == DType::f32);
    const auto second = values_in(out / "optimizer.safetensors", "adamw.v.w");
    for (std::size_t i = 0; i < 2; ++i) CHECK_THAT(second[i], WithinRel(run.second[i], 0.004f));
  }
  SECTION("F16 has not: the optimizer stays as it is, in shards too") {
    store(run.path / "transformer/optimizer.safetensors", run.state(), {.shard_bytes = 8});
    fs::remove(run.path / "transformer/optimizer.safetensors");
    REQUIRE(run.shrink(run / "small", " --dtype F16").code == 0);
    for (const char* file : {"model.safetensors", "ema.safetensors"}) CHECK(type_in(out / file, "w") == DType::f16);
    const auto state = out / "optimizer.safetensors.index.json";
    CHECK(values_in(state, "adamw.v.w") == run.second);
    CHECK(values_in(state, "adamw.m.w") == run.first);
    CHECK(values_in(state, "adamw.master.w") == run.weights);
  }
  CHECK(values_in(out / "model.safetensors", "w") == run.weights);
  CHECK(Checkpoint::open(out / "ema.safetensors").metadata().at("updates") == "7");
  CHECK(get(run / "small" / "trainer.json") == get(run.path / "trainer.json"));
  CHECK(run.shrink(run / "small", " --dtype F16").code == 0);  // replaces a run
}

TEST_CASE("shrink_run: an index tells the bytes that its shards have now") {
  const Run run;
  store(run.path / "transformer/model.safetensors", {{"a", Values(40, 1)}, {"b", Values(30, 2)}}, {.shard_bytes = 160});
  fs::remove(run.path / "transformer/model.safetensors");
  const auto r = run.shrink(run / "small");
  INFO(r.output);
  REQUIRE(r.code == 0);
  const auto index = run / "small" / "transformer/model.safetensors.index.json";
  CHECK(detail::parse_json(get(index), "index")["metadata"]["total_size"] == 140);
  CHECK(values_in(index, "b") == Values(30, 2));
}

TEST_CASE("shrink_run: a number that 16 bits cannot hold is refused with its tensor, and infinities stay") {
  const Run run;
  const auto file = run.path / "transformer/model.safetensors";
  store(file, {{"w", {1, -1e5f}}});
  CHECK(says(run.refused(run / "small", " --dtype F16"), "transformer/model.safetensors: tensor 'w' has -100000",
             "index 1", "F16 ends at 65504", "--dtype BF16"));
  CHECK(run.shrink(run / "small").code == 0);
  store(file, {{"w", {1, 3.4e38f}}});
  CHECK(says(run.refused(run / "small"), "tensor 'w'", "BF16 cannot hold", "leave the run as it is"));
  store(file, {{"w", {1, INFINITY}}});
  CHECK(run.shrink(run / "small", " --dtype F16").code == 0);
}

TEST_CASE("shrink_run: links to folders and to files are followed; one that leads nowhere or in a circle is refused") {
  const Run run;
  fs::rename(run.path / "transformer", run / "kept");
  fs::create_directory_symlink(run / "kept", run.path / "transformer");
  fs::rename(run / "kept" / "model.safetensors", run / "blob");
  fs::create_symlink(run / "blob", run / "kept" / "model.safetensors");
  REQUIRE(run.shrink(run / "small").code == 0);
  const auto out = run / "small" / "transformer";
  CHECK_FALSE(fs::is_symlink(out));
  CHECK(type_in(out / "model.safetensors", "w") == DType::bf16);
  CHECK(values_in(out / "optimizer.safetensors", "adamw.master.w") == run.weights);
  CHECK(get(out / "config.json") == "{}");

  fs::remove(run / "blob");
  CHECK(says(run.refused(run / "new"), "model.safetensors': it is a link to", "blob', which is not there"));
  fs::remove(run / "kept" / "model.safetensors");
  fs::create_directory_symlink(run.path, run / "kept" / "again");
  CHECK(says(run.refused(run / "new"), "nested deeper than 16", "a link lead back"));
}

TEST_CASE("shrink_run: writes neither into what it reads nor over what is no run") {
  const Run run;
  CHECK(says(run.refused(run.path / "small"), "cannot write", "run/small': it lies in", "outside of the run"));
  CHECK(says(run.refused(run.path / "transformer/a/b"), "it lies in"));
  CHECK(says(run.refused(run.path), "it lies in"));
  CHECK(says(run.refused(run.scratch.path()), "what is read", "lies in it"));
  fs::create_directory_symlink(run.path, run / "link");
  CHECK(says(run.refused(run / "link" / "small"), "it lies in"));
  fs::rename(run.path / "transformer", run / "kept");
  fs::create_directory_symlink(run / "kept", run.path / "transformer");
  CHECK(says(run.refused(run / "kept" / "small"), "it lies in", "transformer"));
  CHECK(fs::is_regular_file(run / "kept" / "model.safetensors"));

  fs::create_directory(run / "home");
  put(run / "home" / "letter.txt", "dear");
  CHECK(says(run.refused(run / "home"), "home': it is no run", "trainer.json"));
  CHECK(get(run / "home" / "letter.txt") == "dear");
  CHECK(says(testing::run("shrink_run " + (run / "home").string() + " " + (run / "x").string()).output,
             "is no run: it has no .safetensors file"));
  CHECK(says(testing::run("shrink_run " + (run / "none").string() + " " + (run / "x").string()).output,
             "there is no such directory"));
  CHECK_FALSE(fs::exists(run / "x"));
}
