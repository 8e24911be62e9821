// SPDX-License-Identifier: MIT
// Moments in 8 bits through a growth: the numbers that float moments would have had, rounded once; what did not move
// keeps its bytes; nothing exact is claimed, and what was written is held against what the plan makes.
#include <modelgrow/checkpoint/pickle_text.hpp>
#include <modelgrow/checkpoint/torch_optimizer.hpp>
#include <modelgrow/checkpoint/torch_optimizer_writer.hpp>
#include <modelgrow/grow/back_to_torch.hpp>
#include <modelgrow/grow/check_grown.hpp>
#include <tests/support/low_bit.hpp>
#include <tests/support/raw_files.hpp>

#include "disk.hpp"
#include "torch_run.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

const Schema small = mlp::schema(24, 40, 2);
constexpr std::int64_t least = 256;  // elements of what is packed

/// A run with the state of AdamW8bit.
void write_run(const tiny::fs::path& path) {
  tiny::fs::create_directory(path);
  tiny::write_dict(path / "model.safetensors", tiny::to_dict<double>(small, tiny::random_state(small)));
  std::vector<WrappedMoments> all;
  for (const auto& p : small.parameters) {
    const auto n = numel(p.shape());
    if (n >= least) {
      all.push_back(packed_moments(p.shape(), int(all.size())));
      continue;
    }
    auto& moments = all.emplace_back();
    for (const char* key : {"state1", "state2"})
      moments.emplace_back(key, in_memory<float>("", p.shape(), std::vector<float>(std::size_t(n), 0.125f)));
  }
  write_wrapped(path / "optimizer.bin", all, torch_run::parameter_names(small));
}

/// The same numbers in float, as AdamW of torch has them.
void write_floats(const tiny::fs::path& path, const tiny::fs::path& packed) {
  tiny::fs::create_directory(path);
  tiny::fs::copy_file(packed / "model.safetensors", path / "model.safetensors");
  auto state = read_torch_optimizer(packed / "optimizer.bin");
  state.wrapped = false;
  state.groups[0].options = torch_run::options_of(Optimizer::adamw);
  for (auto& p : state.parameters)
    for (auto& e : p.entries) e.packed = nullptr;
  write_torch_optimizer(path / "optimizer.bin", state);
}

Plan grown(bool wider, bool deeper) {
  if (wider && deeper) return modelgrow::plan(small, InsertBlocks{.every = 1}, Net2Wider{.space = "ffn", .to = 80});
  if (wider) return modelgrow::plan(small, Net2Wider{.space = "ffn", .to = 80});
  return modelgrow::plan(small, InsertBlocks{.every = 1});
}

/// Half of the widest step between codes.
constexpr double rounding = 0.5 * 0.9 / 64;

/// Rounded by blocks, and no further off than that.
void check_close(const PackedTensor& packed, const JoinedTensor& expected) {
  const auto found = values_in<float>(packed.numbers("")), wanted = values_in<float>(expected);
  const auto scales = values_in<float>(packed.scales);
  REQUIRE(found.size() == wanted.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    CHECK(std::abs(found[i] - wanted[i]) <= rounding * double(scales[i / 256]) * 1.001);
}

}  // namespace

TEST_CASE("moments in 8 bits grow as those in float do, and are rounded once") {
  const tiny::Scratch scratch;
  write_run(scratch / "base");
  write_floats(scratch / "floats", scratch / "base");
  const auto in = Checkpoint::open(scratch / "base");
  const auto before = read_torch_optimizer(scratch / "base/optimizer.bin");
  for (const auto& [wider, deeper] : {std::pair(true, false), std::pair(false, true), std::pair(true, true)}) {
    INFO(wider << deeper);
    const auto p = grown(wider, deeper);
    const auto name = std::string(wider ? "wider" : "") + (deeper ? "deeper" : "");
    const auto report = p.write(in, scratch / name);
    p.write(Checkpoint::open(scratch / "floats"), scratch / (name + "floats"));
    CHECK(report.optimizer_moved);
    CHECK(report.certificate.exactness == Exactness::exact);
    CHECK(says(to_string(report.trajectory), "APPROXIMATE", "8 bits"));
    const auto after = read_torch_optimizer(scratch / name / "optimizer.bin");
    const auto floats = read_torch_optimizer(scratch / (name + "floats") / "optimizer.bin");
    CHECK(after.wrapped);
    CHECK(detail::text_of(after.groups[0].options) == detail::text_of(before.groups[0].options));
    REQUIRE(after.parameters.size() == floats.parameters.size());
    const auto recipes = p.recipes();
    std::size_t same = 0, fresh = 0;
    for (std::size_t i = 0; i < after.parameters.size(); ++i) {
      const auto& parameter = after.parameters[i];
      INFO(parameter.name);
      CHECK(parameter.name == floats.parameters[i].name);
      const auto source = std::ranges::find(recipes, parameter.name, &Recipe::name)->source;
      const auto& old = *std::ranges::find(before.parameters, source, &StoredOptimizer::Parameter::name);
      for (const auto& e : parameter.entries) {
        const auto& expected = floats.parameters[i].find(e.name)->tensor;
        CHECK((e.packed != nullptr) == (old.find(e.name)->packed != nullptr));
        if (!e.packed) {
          CHECK(values_in<std::uint8_t>(e.tensor).size() > 0);
          continue;
        }
        check_close(*e.packed, expected);
        const bool moved = e.tensor.shape() != old.find(e.name)->tensor.shape();
        const auto numbers = values_in<float>(e.tensor);
        const bool zero = std::ranges::all_of(numbers, [](float x) { return x == 0; });
        fresh += zero;
        if (moved || zero) continue;
        CHECK_FALSE(first_difference(*e.packed, *old.find(e.name)->packed));
        ++same;
      }
    }
    CHECK((same > 0) == !wider);  // all that is packed has to do with ffn
    CHECK((fresh > 0) == deeper);
    const auto found = check_grown(Checkpoint::open(scratch / name), in, small);
    CHECK(found.optimizer_tensors > 0);
    CHECK(says(to_string(found.trajectory), "APPROXIMATE", "8 bits"));
    // and once more
    const auto again = modelgrow::plan(p.schema(), InsertBlocks{.at = {0}});
    CHECK(again.write(Checkpoint::open(scratch / name), scratch / (name + "2")).optimizer_moved);
  }
}

TEST_CASE("moments of bitsandbytes in float are not rounded") {
  const tiny::Scratch scratch;
  write_run(scratch / "base");
  auto state = read_torch_optimizer(scratch / "base/optimizer.bin");
  for (auto& p : state.parameters)
    for (auto& e : p.entries) {
      if (!e.packed) continue;
      e.tensor = in_memory<float>(e.name, e.tensor.shape(), values_in<float>(e.tensor));
      e.packed = nullptr;
    }
  write_torch_optimizer(scratch / "base/optimizer.bin", state);
  const auto report = grown(true, false).write(Checkpoint::open(scratch / "base"), scratch / "grown");
  CHECK(report.trajectory.exactness == Exactness::exact_if);
  const auto after = read_torch_optimizer(scratch / "grown/optimizer.bin");
  CHECK(after.wrapped);
  CHECK_FALSE(after.has_packed());
}

TEST_CASE("moments in few bits are none that state of this library goes back into") {
  const tiny::Scratch scratch;
  write_run(scratch / "base");
  const auto run = Checkpoint::open(scratch / "base");
  CHECK(says(message_of<format_error>([&] { torch_run_state(run, {.optimizer = "adamw"}); }), "'optimizer.bin'",
             "in few bits"));
}

TEST_CASE("codes that are not those of the plan are found") {
  const tiny::Scratch scratch;
  write_run(scratch / "base");
  const auto in = Checkpoint::open(scratch / "base");
  const auto p = grown(true, true);
  p.write(in, scratch / "grown");
  const auto good = read_torch_optimizer(scratch / "grown/optimizer.bin");
  const auto altered = [&](auto&& change, std::string_view name = "blocks.0.mlp.up.weight") {
    tiny::fs::remove_all(scratch / "altered");
    tiny::fs::copy(scratch / "grown", scratch / "altered", tiny::fs::copy_options::recursive);
    tiny::fs::remove(scratch / "altered/checksums.json");
    auto state = good;
    auto& parameter = *std::ranges::find(state.parameters, name, &StoredOptimizer::Parameter::name);
    auto& entry = *std::ranges::find(parameter.entries, "exp_avg", &StoredOptimizer::Entry::name);
    change(entry);
    write_torch_optimizer(scratch / "altered/optimizer.bin", state);
    return message_of<check_error>([&] { check_grown(Checkpoint::open(scratch / "altered"), in, small); });
  };
  const auto where = [](const std::string& text) {
    return says(text, "optimizer.bin", "'exp_avg' of parameter 'blocks.0.mlp.up.weight'");
  };
  using Entry = StoredOptimizer::Entry;
  const auto packed = [](auto&& change) {
    return [change](Entry& e) {
      auto other = std::make_shared<PackedTensor>(*e.packed);
      change(*other);
      e.packed = other;
    };
  };
  CHECK(altered([](Entry&) {}).empty());
  auto text = altered(packed([](PackedTensor& t) {
    auto codes = values_in<std::uint8_t>(t.codes);
    codes[700] = std::uint8_t(codes[700] + 1);
    t.codes = in_memory<std::uint8_t>("", t.shape, codes);
  }));
  CHECK(where(text));
  CHECK(says(text, "block 2"));
  text = altered(packed([](PackedTensor& t) {
    auto scales = values_in<float>(t.scales);
    scales[1] *= 1.0000002f;
    t.scales = in_memory<float>("", t.scales.shape(), scales);
  }));
  CHECK(where(text));
  CHECK(says(text, "block 1"));
  text = altered(packed([](PackedTensor& t) {
    auto map = dynamic_map(true);
    map[0] *= 1.01f;
    t.map = std::make_shared<const CodeMap>(map, "");
  }));
  CHECK(where(text));
  CHECK(says(text, "other numbers"));
  text = altered([](Entry& e) {
    e.tensor = in_memory<float>("", e.tensor.shape(), values_in<float>(e.tensor));
    e.packed = nullptr;
  });
  CHECK(where(text));
  CHECK(says(text, "whole numbers", "few bits were promised"));
  const auto& map = good.parameters[2].find("exp_avg")->packed->map;
  text = altered(
      [&](Entry& e) {
        e.packed = std::make_shared<PackedTensor>(
            PackedTensor{.shape = e.tensor.shape(),
                         .block = 256,
                         .codes = in_memory<std::uint8_t>("", e.tensor.shape(), std::vector<std::uint8_t>(72)),
                         .scales = in_memory<float>("", {1}, {1}),
                         .map = map});
      },
      "embed.weight");
  CHECK(says(text, "parameter 'embed.weight'", "few bits; whole numbers were promised"));
}

namespace {
void grow_objects(const std::string& of, const std::function<void(PackedTensor&)>& change) {
  const tiny::Scratch scratch;
  write_run(scratch / "base");
  const auto golden =
      read_torch_optimizer(tiny::fs::path(MODELGROW_SOURCE_DIR) / "tests/golden/training_state/low_bit.pt", {.at = of});
  auto state = read_torch_optimizer(scratch / "base/optimizer.bin");
  state.wrapped = false;
  state.groups[0].options = golden.groups[0].options;
  state.groups[0].tensors = golden.groups[0].tensors;
  for (auto& p : state.parameters)
    for (auto& e : p.entries) {
      if (!e.packed) continue;
      auto packed = std::make_shared<PackedTensor>(*e.packed);
      packed->block = 240;
      packed->whole_blocks = true;
      const auto blocks = packed->blocks();
      packed->scales = in_memory<float>("", {blocks}, std::vector<float>(std::size_t(blocks), 0.5f));
      change(*packed);
      e.packed = packed;
      e.object = golden.parameters[0].find(e.name)->object;
    }
  write_torch_optimizer(scratch / "base/optimizer.bin", state);
  const auto in = Checkpoint::open(scratch / "base");
  WritePlan how;
  const auto untold = grown(true, false).write(in, scratch / "untold", how);
  CHECK_FALSE(untold.optimizer_moved);
  CHECK(std::ranges::any_of(untold.notes, [](const auto& n) { return says(n, "torchao write alike"); }));
  how.state.optimizer = "adamw";
  for (const std::int64_t ffn : {80, 45}) {
    INFO(ffn);
    const auto out = scratch / ("grown" + std::to_string(ffn));
    const auto p = modelgrow::plan(small, InsertBlocks{.every = 1}, Net2Wider{.space = "ffn", .to = ffn});
    const auto report = p.write(in, out, how);
    CHECK(report.optimizer_moved);
    CHECK(says(to_string(report.trajectory), "APPROXIMATE", "8 bits"));
    const auto after = read_torch_optimizer(out / "optimizer.bin");
    CHECK(after.groups[0].tensors.contains("lr"));
    std::size_t packed = 0;
    for (const auto& q : after.parameters)
      for (const auto& e : q.entries) {
        const auto old = std::ranges::find(state.parameters, q.name, &StoredOptimizer::Parameter::name);
        packed += e.packed != nullptr;
        if (e.packed) CHECK(e.packed->block == 240);
        if (old == state.parameters.end()) continue;
        const auto* before = old->find(e.name)->packed.get();
        CHECK((e.packed != nullptr) == (before && numel(e.tensor.shape()) % 240 == 0));
      }
    CHECK(packed == (ffn == 80 ? 24 : 8));                                       // of 45 only kernels have whole blocks
    CHECK(check_grown(Checkpoint::open(out), in, small).optimizer_tensors > 0);  // param_groups.json tells
    CHECK(modelgrow::plan(p.schema(), InsertBlocks{.at = {0}})
              .write(Checkpoint::open(out), scratch / ("again" + std::to_string(ffn)))
              .optimizer_moved);
    // the same numbers in smaller blocks
    auto other = after;
    for (auto& q : other.parameters)
      for (auto& e : q.entries)
        if (e.packed) {
          auto smaller = std::make_shared<PackedTensor>(*e.packed);
          std::vector<float> scales;
          for (const float x : values_in<float>(e.packed->scales)) scales.insert(scales.end(), 2, x);
          smaller->block = 120;
          smaller->scales = in_memory<float>("", {std::int64_t(scales.size())}, scales);
          e.packed = smaller;
        }
    tiny::fs::remove(out / "checksums.json");
    write_torch_optimizer(scratch / "smaller.bin", other);
    tiny::fs::copy_file(scratch / "smaller.bin", out / "optimizer.bin", tiny::fs::copy_options::overwrite_existing);
    CHECK(says(message_of<check_error>([&] { check_grown(Checkpoint::open(out), in, small); }), "optimizer.bin",
               "in blocks of 120", "240 were promised"));
  }
}
}  // namespace

TEST_CASE("objects of torchao come out as they came, and in float where blocks are not whole any more") {
  grow_objects("torchao_8", [](PackedTensor&) {});
  grow_objects("torchao_fp8", [](PackedTensor& t) {
    t.map = std::make_shared<const CodeMap>(CodeMap::e4m3());
    auto codes = values_in<std::uint8_t>(t.codes);
    for (auto& code : codes) code %= 127;  // of the others one is no number
    const auto tensor = in_memory<std::uint8_t>("", t.shape, codes);
    t.codes = {NamedShape{.name = "", .dtype = DType::f8_e4m3, .shape = t.shape},
               [=](std::uint64_t begin, std::span<std::byte> out) { tensor.read(begin, out); }};
  });
}
