// SPDX-License-Identifier: MIT
// States of optimizers in 8 bits: read as the numbers that their packages see, written as they came, and refused where
// a part does not fit.
#include <modelgrow/checkpoint/dcp_optimizer.hpp>
#include <modelgrow/checkpoint/dcp_writer.hpp>
#include <modelgrow/checkpoint/regroup.hpp>
#include <modelgrow/checkpoint/torch_optimizer.hpp>
#include <modelgrow/checkpoint/torch_optimizer_writer.hpp>
#include <tests/support/low_bit.hpp>
#include <tests/support/training_values.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

const Shape shape{10, 60};

std::string refusal(const WrappedMoments& moments) {
  const Scratch scratch;
  const auto path = scratch / "optimizer.pt";
  write_wrapped(path, {packed_moments({3}), moments});
  const auto text = message_of<format_error>([&] { read_torch_optimizer(path); });
  CHECK((text.empty() || says(text, path.string())));
  return text;
}

/// Good moments, one of them replaced.
WrappedMoments with(const std::string& key, JoinedTensor other) {
  auto moments = packed_moments(shape);
  for (auto& [name, tensor] : moments)
    if (name == key) tensor = std::move(other);
  return moments;
}
WrappedMoments without(const std::string& key) {
  auto moments = packed_moments(shape);
  std::erase_if(moments, [&](const auto& m) { return m.first == key; });
  return moments;
}

JoinedTensor retyped(const JoinedTensor& t, DType type) {
  return {NamedShape{.name = t.name(), .dtype = type, .shape = t.shape()},
          [=](std::uint64_t begin, std::span<std::byte> out) { t.read(begin, out); }};
}

}  // namespace

TEST_CASE("what packages left in few bits is read as they read it, and written as they wrote it") {
  const auto values = training_values("low_bit.pt");
  const Scratch scratch;
  for (const char* at : {"bitsandbytes", "torchao_8", "torchao_4", "torchao_fp8"}) {
    INFO(at);
    auto read = read_torch_optimizer(training_state / "low_bit.pt", {.at = at});
    CHECK((read.is.kind != nullptr) == (std::string_view(at) == "bitsandbytes"));
    if (!read.is.kind) {
      CHECK(says(read.is.title, "torchao write alike"));
      read.tell("adamw");
      float rate = 0;  // a tensor
      read.groups[0].tensors.at("lr").read(0, std::as_writable_bytes(std::span(&rate, 1)));
      CHECK(rate == 1e-3f);
    }
    CHECK(read.has_packed());
    CHECK_FALSE(read.parameters[1].find("exp_avg")->packed);  // the bias
    for (const char* entry : {"exp_avg", "exp_avg_sq"})
      check_values(read.parameters[0].find(entry)->tensor, values[std::string(at) + "/" + entry]);
    read.parameters[0].name = "weight";
    read.parameters[1].name = "bias";
    const auto grown = regrouped(read, {{"weight", 0, "weight"}, {"bias", 0, "bias"}}, read.tensors());
    write_torch_optimizer(scratch / "again.pt", grown);
    const auto again = read_torch_optimizer(scratch / "again.pt");
    CHECK(again.wrapped == read.wrapped);
    CHECK(again.groups[0].tensors.size() == read.groups[0].tensors.size());
    for (const char* entry : {"exp_avg", "exp_avg_sq"}) {
      const auto &was = *read.parameters[0].find(entry), &is = *again.parameters[0].find(entry);
      REQUIRE(is.packed);
      CHECK(is.packed->codes.dtype() == was.packed->codes.dtype());
      CHECK_FALSE(first_difference(*was.packed, *is.packed));
      check_values(is.tensor, values[std::string(at) + "/" + entry]);
      check_values(is.packed->numbers("again"), values[std::string(at) + "/" + entry]);
    }
  }
  const auto whole = read_torch_optimizer(training_state / "low_bit.pt", {.at = "bitsandbytes_32"});
  CHECK(whole.is.kind->word == "adamw");
  CHECK_FALSE(whole.has_packed());
  for (const char* other : {"bitsandbytes_lion", "bitsandbytes_ademamix"})
    CHECK(says(read_torch_optimizer(training_state / "low_bit.pt", {.at = other}).is.title, "other than its Adam"));
}

TEST_CASE("codes are read as numbers, moments of small parameters as they are") {
  const Scratch scratch;
  WrappedMoments small{{"state1", in_memory<float>("", {3}, {1, 2, 3})},
                       {"state2", in_memory<float>("", {3}, {4, 5, 6})}};
  const auto packed = packed_moments(shape);
  write_wrapped(scratch / "optimizer.pt", {small, packed}, {"bias", "weight"});
  const auto read = read_torch_optimizer(scratch / "optimizer.pt");
  REQUIRE(read.is.kind);
  CHECK(read.is.kind->word == "adamw");
  CHECK(says(read.is.title, "bitsandbytes"));
  CHECK(read.wrapped);
  CHECK(read.has_packed());
  const auto tensors = read.tensors();
  CHECK(testing::numbers_of(named(tensors, "adamw.v.bias")) == std::vector<double>{4, 5, 6});
  CHECK_FALSE(read.parameters[0].find("exp_avg")->packed);
  CHECK(*read.parameters[1].find("step")->number.get<std::int64_t>() == 20);
  for (const bool first : {true, false}) {
    const auto& names = wrapped_moments[first ? 0 : 1];
    const auto tensor = named(tensors, first ? "adamw.m.weight" : "adamw.v.weight");
    CHECK(tensor.dtype() == DType::f32);
    CHECK(tensor.shape() == shape);
    const auto part = [&](std::string_view key) {
      return std::ranges::find(packed, key, &WrappedMoments::value_type::first)->second;
    };
    const auto codes = values_in<std::uint8_t>(part(names.state));
    const auto scales = values_in<float>(part(names.scales)), map = dynamic_map(first);
    const auto numbers = values_in<float>(tensor);
    for (std::size_t i = 0; i < numbers.size(); ++i) CHECK(numbers[i] == map[codes[i]] * scales[i / 256]);
  }
}

TEST_CASE("what was read in 8 bits is written in 8 bits, byte for byte") {
  const Scratch scratch;
  write_wrapped(scratch / "a.pt", {packed_moments(shape), packed_moments({3}, 5)}, {"a", "b"});
  const auto read = read_torch_optimizer(scratch / "a.pt");
  write_torch_optimizer(scratch / "b.pt", read);
  // as growth does it: from the numbers
  const auto grown = regrouped(read, {{"a", 0, "a"}, {"b", 0, "b"}}, read.tensors());
  write_torch_optimizer(scratch / "c.pt", grown);
  for (const char* file : {"b.pt", "c.pt"}) {
    INFO(file);
    const auto again = read_torch_optimizer(scratch / file);
    CHECK(again.wrapped);
    REQUIRE(again.parameters.size() == 2);
    for (std::size_t p = 0; p < 2; ++p)
      for (const auto& e : read.parameters[p].entries) {
        const auto* other = again.parameters[p].find(e.name);
        REQUIRE(other);
        CHECK((e.packed == nullptr) == (other->packed == nullptr));
        if (!e.packed) continue;
        CHECK_FALSE(first_difference(*e.packed, *other->packed));
        CHECK(std::ranges::equal(e.packed->map->values(), other->packed->map->values()));
      }
  }
}

TEST_CASE("parts that do not fit are refused with the key") {
  CHECK(refusal(packed_moments(shape)).empty());
  CHECK(says(refusal(with("absmax2", in_memory<float>("", {2}, {1, 2}))), "'absmax2' of parameter 1", "[2]", "[3]",
             "block of 256"));
  CHECK(says(refusal(with("absmax1", in_memory<float>("", {3, 1}, {1, 2, 3}))), "'absmax1' of parameter 1", "[3, 1]"));
  CHECK(says(refusal(with("absmax1", in_memory<std::uint8_t>("", {3}, {1, 2, 3}))), "'absmax1' of parameter 1",
             "type U8", "expected F32"));
  auto map = dynamic_map(true);
  map.pop_back();
  CHECK(says(refusal(with("qmap1", in_memory<float>("", {255}, map))), "'qmap1' of parameter 1", "255 numbers"));
  const std::vector<float> last(map.end() - 16, map.end());
  CHECK(says(refusal(with("qmap1", in_memory<float>("", {16}, last))), "'qmap1' of parameter 1", "16 numbers"));
  map.resize(300);
  CHECK(says(refusal(with("qmap2", in_memory<float>("", {300}, map))), "'qmap2' of parameter 1", "257 numbers"));
  CHECK(says(refusal(with("qmap2", in_memory<std::uint8_t>("", {4}, {0, 1, 2, 3}))), "'qmap2' of parameter 1",
             "type U8"));
  const auto codes = packed_moments(shape)[0].second;
  CHECK(says(refusal(with("state1", retyped(codes, DType::i8))), "'state1' of parameter 1", "type I8", "expected U8"));
  CHECK(says(refusal(without("absmax1")), "'absmax1' of parameter 1 is missing"));
  CHECK(says(refusal(without("qmap2")), "'qmap2' of parameter 1 is missing"));
}

TEST_CASE("other optimizers of bitsandbytes are named") {
  const Scratch scratch;
  const auto title = [&](const WrappedMoments& moments, PickleDict options = wrapped_options()) {
    write_wrapped(scratch / "optimizer.pt", {moments}, {}, std::move(options));
    const auto read = read_torch_optimizer(scratch / "optimizer.pt");
    CHECK(!read.is.kind);
    return read.is.title;
  };
  auto lion = packed_moments(shape);
  lion.erase(lion.begin() + 3, lion.end());
  CHECK(says(title(lion), "bitsandbytes", "other than"));
  CHECK(says(title(with("state1", in_memory<std::uint8_t>("", {2, 600}, std::vector<std::uint8_t>(1200)))),
             "bitsandbytes", "other than"));  // AdEMAMix
  auto lamb = packed_moments(shape);
  lamb.emplace_back("unorm_vec", in_memory<float>("", {1}, {1}));
  CHECK(says(title(lamb), "LAMB"));
  auto three = wrapped_options();
  three.set("betas", PickleTuple{{PickleValue(0.9), PickleValue(0.999), PickleValue(0.9999)}});
  CHECK(says(title(packed_moments(shape), three), "'exp_avg'", "'t_alpha'"));
}

TEST_CASE("objects of torchao whose parts do not fit are refused") {
  const auto read = read_torch_optimizer(training_state / "low_bit.pt", {.at = "torchao_8"});
  const auto& entry = *read.parameters[0].find("exp_avg");
  const Scratch scratch;
  const auto refused = [&](auto&& change) {
    auto state = read;
    auto& other = *std::ranges::find(state.parameters[0].entries, "exp_avg", &StoredOptimizer::Entry::name);
    auto packed = std::make_shared<PackedTensor>(*entry.packed);
    PickleObject object = *entry.object.get<PickleObject>();
    change(*packed, object);
    other.packed = packed;
    other.object = object;
    write_torch_optimizer(scratch / "optimizer.pt", state);
    const auto text = message_of<format_error>([&] { read_torch_optimizer(scratch / "optimizer.pt"); });
    CHECK((text.empty() || says(text, (scratch / "optimizer.pt").string(), "entry 'exp_avg' of parameter 0")));
    return text;
  };
  const auto attributes = [](PickleObject& object, auto&& change) {
    auto dict = *detail::attributes_of(object.arguments);
    change(dict);
    object.arguments.values[3] = std::move(dict);
  };
  CHECK(refused([](PackedTensor&, PickleObject&) {}).empty());
  for (const char* key : {"codes", "scale", "qmap"})
    CHECK(says(refused([&](PackedTensor&, PickleObject& o) {
                 attributes(o, [&](PickleDict& d) {
                   std::erase_if(d.items, [&](const PickleItem& i) { return *i.key.get<std::string>() == key; });
                 });
               }),
               "torchao.optim.subclass_8bit.OptimState8bit", "without its tensor", key));
  CHECK(says(refused([](PackedTensor& t, PickleObject&) { t.codes = retyped(t.codes, DType::i8); }), "'codes' of entry",
             "type I8", "expected U8"));
  CHECK(says(refused([](PackedTensor& t, PickleObject&) {
               t.shape = {32, 128};
             }),
             "'codes' of entry", "[64, 64]", "[32, 128]"));
  for (const std::int64_t count : {15, 0, 4096})
    CHECK(says(refused([&](PackedTensor& t, PickleObject&) {
                 t.scales = in_memory<float>("", {count}, std::vector<float>(std::size_t(count), 1.0f));
               }),
               "'scale' of entry", "blocks of one size"));
  CHECK(says(refused([](PackedTensor& t, PickleObject&) { t.scales = retyped(t.codes, DType::u8); }),
             "'scale' of entry", "type U8", "expected F32"));
  std::vector<float> sixteen;
  for (int i = 1; i <= 16; ++i) sixteen.push_back(float(i));
  CHECK(says(refused([&](PackedTensor& t, PickleObject&) { t.map = std::make_shared<const CodeMap>(sixteen, ""); }),
             "'qmap' of entry", "16 numbers", "8 bits"));

  // What no writer of ours makes.
  const auto object = [&](auto&& change) {
    PickleObject o = *entry.object.get<PickleObject>();
    auto arguments = *o.arguments.values[2].get<PickleTuple>();
    change(o, arguments);
    o.arguments.values[2] = std::move(arguments);
    return message_of<format_error>([&] { detail::packed_object(o); });
  };
  CHECK(object([](PickleObject&, PickleTuple&) {}).empty());
  CHECK(says(object([](PickleObject& o, PickleTuple&) { o.arguments.values.resize(3); }), "without attributes"));
  CHECK(says(object([](PickleObject&, PickleTuple& a) { a.values.resize(2); }), "without attributes or a size"));
  CHECK(says(object([](PickleObject&, PickleTuple& a) { a.values[2] = PickleValue(3); }), "without a size"));
  CHECK(says(object([](PickleObject&, PickleTuple& a) { a.values[2] = PickleTuple{{PickleValue(-3)}}; }),
             "a size that is none"));
  // attributes that stand beside slots
  PickleObject both = *entry.object.get<PickleObject>();
  both.arguments.values[3] = PickleTuple{{both.arguments.values[3], PickleValue()}};
  CHECK(detail::packed_object(both)->shape == Shape{64, 64});
  const auto again = detail::repacked(both, *entry.packed, [](const JoinedTensor& t) {
    return PickleValue(torch_tensor(t.name(), t.dtype(), t.shape()));
  });
  CHECK(detail::packed_object(again)->codes.shape == Shape{64, 64});
}

TEST_CASE("in distributed checkpoints such state is named, and not moved") {
  const Scratch scratch;
  write_wrapped(scratch / "optimizer.pt", {packed_moments(shape)}, {"weight"});
  const auto state = read_torch_optimizer(scratch / "optimizer.pt");
  const auto path = [](std::vector<PickleValue> keys) {
    keys.insert(keys.begin(), {PickleValue("optim"), PickleValue("state"), PickleValue("weight")});
    return keys;
  };
  std::vector<DcpEntry> entries{{.keys = path({PickleValue("step")}), .value = PickleValue(3)}};
  for (const auto& [key, tensor] : packed_moments(shape))
    entries.push_back({.keys = path({PickleValue(wrapped_key), PickleValue(key)}), .tensor = tensor});
  auto options = state.groups[0].options;
  options.set("params", PickleList{{PickleValue("weight")}});
  entries.push_back({.keys = {PickleValue("optim"), PickleValue("param_groups")},
                     .value = PickleList{{PickleValue(std::move(options))}}});
  write_dcp(scratch / "dcp", entries);
  const auto folder = DcpFolder::open(scratch / "dcp");
  CHECK(dcp_optimizers(folder) == std::vector<std::string>{"optim"});
  const auto read = dcp_optimizer(folder, "optim");
  CHECK(!read.is.kind);
  CHECK(says(read.is.title, "bitsandbytes in a distributed checkpoint"));
}
