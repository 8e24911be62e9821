// SPDX-License-Identifier: MIT
// NaN and infinities are found before the folder gets its name, counted, and refused unless they are allowed.
#include <modelgrow/grow/check_grown.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>

#include "disk.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using modelgrow::testing::message_of;
using modelgrow::testing::says;

namespace {

const tiny::Config small;

template <Element T>
void spoil(HostTensor& t, std::int64_t at, double value) {
  const T x = element_cast<T>(value);
  std::memcpy(t.bytes.data() + sizeof(T) * std::size_t(at), &x, sizeof x);
}

/// Changes one file of a folder.
template <class Change>
void change(const tiny::fs::path& file, Change f) {
  auto dict = tiny::read_dict(Checkpoint::open(file));
  f(dict);
  tiny::fs::remove(file);
  tiny::write_dict(file, dict);
}

}  // namespace

TEMPLATE_TEST_CASE("a NaN in the weights is named with its tensor, count and place", "", float, f16, bf16) {
  const tiny::Scratch scratch;
  const auto base = scratch / "base";
  tiny::make_directory<TestType>(base, small);
  change(base / "model.safetensors", [](StateDict& d) {
    spoil<TestType>(d.at("blocks.1.mlp.fc1.weight"), 7, NAN);
    spoil<TestType>(d.at("blocks.1.mlp.fc1.weight"), 11, -INFINITY);
    spoil<TestType>(d.at("final.linear.bias"), 0, INFINITY);
  });
  const auto in = Checkpoint::open(base);
  const Plan p = plan(tiny::disk_schema(small), InsertBlocks{.every = 1}, Net2Wider{.space = "ffn", .to = 8});
  const auto text = message_of<plan_error>([&] { p.write(in, scratch / "grown"); });
  INFO(text);
  CHECK(
      says(text, "2 of its tensors hold values that are not finite",
           "model.safetensors: 'blocks.1.mlp.fc1.weight' has 2 values that are not finite, the first (nan) at index 7",
           "'final.linear.bias' has 1 value that is not finite (inf) at index 0", "allow-not-finite"));
  CHECK(scratch.entries() == 1);
  const auto report = p.write(in, scratch / "grown", WritePlan{.non_finite = NonFinite::allow});
  CHECK(report.not_finite.size() == 2);
  CHECK(report.max_residual == 0);
  CHECK(check_grown(Checkpoint::open(scratch / "grown"), in, tiny::disk_schema(small)).not_finite == report.not_finite);
}

TEST_CASE("averages, optimizer state and tensors that nobody knows are looked at, too") {
  for (const auto& [file, tensor] : {std::pair("ema.safetensors", "blocks.0.mlp.fc2.bias"),
                                     std::pair("optimizer.safetensors", "adamw.v.blocks.0.mlp.fc2.bias"),
                                     std::pair("model.safetensors", "calibration")}) {
    INFO(file << " " << tensor);
    const tiny::Scratch scratch;
    tiny::make_directory<float>(scratch / "base", small);
    change(scratch / "base" / file, [&](StateDict& d) {
      auto& t = d.at(tensor);
      if (t.dtype == DType::f64) return spoil<double>(t, 1, NAN);
      if (t.dtype != DType::f32) t = tiny::raw(DType::f32, Shape{3}, 12);
      spoil<float>(t, 1, NAN);
    });
    CHECK(says(message_of<plan_error>([&] {
                 plan(tiny::disk_schema(small), InsertBlocks{.every = 1})
                     .write(Checkpoint::open(scratch / "base"), scratch / "grown");
               }),
               std::string(file) + ": '" + tensor + "' has 1 value that is not finite (nan) at index 1"));
  }
}

TEST_CASE("infinities that only the growth makes are named as such") {
  const tiny::Scratch scratch;
  const Schema s = tiny::disk_schema(small);
  const Plan p = plan(s);
  const auto old = tiny::to_dict<f16>(s, tiny::random_state(s));
  auto grown = old;
  spoil<f16>(grown.at("blocks.0.mlp.fc1.weight"), 2, 70000.0);  // beyond f16
  const auto before = modelgrow::detail::views_of(old), after = modelgrow::detail::views_of(grown);
  CHECK(says(message_of<check_error>([&] { check_weights(p, TensorSet(before, "old"), TensorSet(after, "grown")); }),
             "'blocks.0.mlp.fc1.weight' has 1 value that is not finite (inf) at index 2, where its source is sound",
             "its type cannot hold"));
}

TEST_CASE("values that are finite are not said to be otherwise, however large") {
  std::vector<double> values{1e308, -1e308, 5e-324, 0};
  const TensorView t{.name = "t",
                     .dtype = DType::f64,
                     .shape = {4},
                     .data = reinterpret_cast<const std::byte*>(values.data()),
                     .bytes = 32};
  CHECK_FALSE(not_finite(t));
  values[2] = -INFINITY;
  REQUIRE(not_finite(t));
  CHECK(not_finite(t)->first == 2);
  CHECK(says(to_string(*not_finite(t)), "(-inf) at index 2"));
}
