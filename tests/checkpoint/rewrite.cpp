// SPDX-License-Identifier: MIT
// A checkpoint in another file, type, layout of shards or of names holds the same numbers, or is not there at all.
#include <cmath>
#include <limits>

#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/checkpoint/rewrite.hpp>
#include <modelgrow/checkpoint/shards.hpp>
#include <tests/support/catch.hpp>
#include <tests/support/message.hpp>
#include <tests/support/scratch.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

/// Two float tensors, one of integers; more than one piece of memory is needed for 'long'.
std::filesystem::path written(const Scratch& scratch, float last = 3.25F) {
  const std::int64_t many = (std::int64_t{9} << 20) / 4 + 3;
  CheckpointWriter writer(scratch / "model.safetensors",
                          {{.name = "module.long", .dtype = DType::f32, .shape = {many}},
                           {.name = "module.short", .dtype = DType::f16, .shape = {2, 1}},
                           {.name = "module.steps", .dtype = DType::i64, .shape = {}}},
                          {{"note", "kept"}});
  std::vector<float> values(static_cast<std::size_t>(many));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = float(i % 1000) / 7;
  values.back() = last;
  writer.write("module.long", std::as_bytes(std::span(values)));
  const std::array<f16, 2> two{f16(0.5F), f16(-2.F)};
  writer.write("module.short", std::as_bytes(std::span(two)));
  const std::int64_t steps = 7;
  writer.write("module.steps", std::as_bytes(std::span(&steps, 1)));
  writer.commit();
  return scratch / "model.safetensors";
}

bool same_bytes(const TensorView& a, const TensorView& b) {
  return a.dtype == b.dtype && a.shape == b.shape && std::equal(a.data, a.data + a.bytes, b.data, b.data + b.bytes);
}

}  // namespace

TEST_CASE("through a torch file and back every byte is the same") {
  const Scratch scratch;
  const auto in = Checkpoint::open(written(scratch));
  const auto torch = rewrite(in, scratch / "run.pth");
  CHECK((torch.path == scratch / "run.pth" && torch.tensors == 3 && torch.bytes == in.total_bytes()));
  CHECK(torch.kept.empty());
  const auto between = Checkpoint::open(torch.path);
  rewrite(between, scratch / "back.safetensors");
  const auto back = Checkpoint::open(scratch / "back.safetensors");
  for (const auto& t : in.tensors())
    CHECK((same_bytes(t, between.tensor(t.name)) && same_bytes(t, back.tensor(t.name))));
  CHECK(back.prefix().with("x") == "x");  // that of the wrapper is gone
}

TEST_CASE("another element type is the one conversion of every number, and integers stay") {
  const Scratch scratch;
  const auto in = Checkpoint::open(written(scratch));
  const auto done = rewrite(in, scratch / "narrow.safetensors", {.dtype = DType::bf16});
  CHECK(done.kept == std::vector<std::string>{"steps"});
  const auto out = Checkpoint::open(done.path);
  CHECK(out.metadata().at("note") == "kept");
  CHECK(same_bytes(in.tensor("steps"), out.tensor("steps")));
  const auto wide = values_of<float>(in.tensor("long")), narrow = values_of<float>(out.tensor("long"));
  CHECK(out.tensor("long").dtype == DType::bf16);
  for (std::size_t i = 0; i < wide.size(); ++i)
    if (narrow[i] != float(element_cast<bf16>(wide[i]))) FAIL("element " << i);
  CHECK(values_of<float>(out.tensor("short")) == std::vector<float>{0.5F, -2.F});
  CHECK(rewrite(in, scratch / "wide.safetensors", {.dtype = DType::f64}).bytes == 8 * (wide.size() + 2) + 8);
}

TEST_CASE("what a narrower type does not hold is refused with its place, and infinities stay") {
  const Scratch scratch;
  const auto refused = [&](float last) {
    const auto in = Checkpoint::open(written(scratch, last));
    return message_of<format_error>(
        [&] { rewrite(in, scratch / "half.safetensors", {.dtype = DType::f16, .existing = Existing::replace}); });
  };
  CHECK(says(refused(70000), "tensor 'long': element 2359298 is 70000", "F16 does not hold it", "BF16"));
  CHECK_FALSE(std::filesystem::exists(scratch / "half.safetensors"));
  CHECK(refused(65504).empty());
  CHECK(refused(std::numeric_limits<float>::infinity()).empty());
  const auto half = Checkpoint::open(scratch / "half.safetensors");
  CHECK(std::isinf(values_of<float>(half.tensor("long")).back()));
}

TEST_CASE("shards, names, and what is not done") {
  const Scratch scratch;
  const auto in = Checkpoint::open(written(scratch));
  std::filesystem::create_directory(scratch / "out");
  const auto upper = [](const std::string& name) { return "x." + name; };
  std::vector<ProgressReport> reports;
  const auto done =
      rewrite(in, scratch / "out/model.safetensors",
              {.rename = upper, .shard_bytes = 100, .progress = [&](const auto& r) { reports.push_back(r); }});
  CHECK(done.path == scratch / "out/model.safetensors.index.json");
  const auto out = Checkpoint::open(scratch / "out");
  CHECK(out.files().size() == 3);
  for (const auto& t : in.tensors()) CHECK(same_bytes(t, out.tensor("x." + t.name)));
  CHECK((reports.size() == 3 + 4 && reports.back().done == 3 && reports.back().bytes == in.total_bytes()));

  const auto why = [&](const std::filesystem::path& path, const Rewrite& how) {
    return message_of<error>([&] { rewrite(in, path, how); });
  };
  CHECK(says(why(scratch / "x.pt", {.shard_bytes = 100}), "x.pt", "a torch file whole"));
  CHECK(says(why(scratch / "x.pt", {.dtype = DType::i64}), "cannot be written as I64", "BF16"));
  CHECK(says(why(scratch / "x.pt", {.rename = [](const auto&) { return std::string("same"); }}),
             "'steps' and 'long' would both be 'same'"));
  CHECK(says(why(in.path(), {}), "exists"));
  CHECK_FALSE(std::filesystem::exists(scratch / "x.pt"));
  struct Stop {};
  CHECK_THROWS_AS(rewrite(in, scratch / "x.pt", {.progress = [](const auto&) { throw Stop{}; }}), Stop);
  CHECK_FALSE(std::filesystem::exists(scratch / "x.pt"));
}
