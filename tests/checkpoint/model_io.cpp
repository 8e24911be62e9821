// SPDX-License-Identifier: MIT
// Described models go to disk and come back, in any type and on any device, or the error says what does not fit.
#include <cstring>

#include <modelgrow/checkpoint/model_io.hpp>
#include <modelgrow/core/rng.hpp>
#include <tests/support/raw_files.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

/// Memory that the host must not touch: every byte is stored inverted.
struct Inverted {
  static void* allocate(std::size_t n) { return Cpu::allocate(n); }
  static void release(void* p) noexcept { Cpu::release(p); }
  static void zero(void* p, std::size_t n) { std::memset(p, 0xFF, n); }
  static void copy(void* to, const void* from, std::size_t n) { std::memcpy(to, from, n); }
  static void from_host(void* to, const void* from, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i)
      static_cast<unsigned char*>(to)[i] = static_cast<unsigned char>(~static_cast<const unsigned char*>(from)[i]);
  }
  static void to_host(void* to, const void* from, std::size_t n) { from_host(to, from, n); }
};

template <class T, class D = Cpu>
struct Layer {
  Parameter<T, D> weight, bias;
  Layer(std::int64_t rows, std::int64_t columns)
      : weight(ParamInfo{.axes = {out(rows), in(columns)}}), bias(ParamInfo{.axes = {out(rows)}}) {}
  static void describe(auto& self, auto& v) {
    v("weight", self.weight);
    v("bias", self.bias);
  }
};

template <class T, class D = Cpu>
struct Model {
  std::vector<Layer<T, D>> layers{Layer<T, D>(3, 4), Layer<T, D>(2, 3)};
  Parameter<T, D> table{ParamInfo{.axes = {fixed(5)}, .purpose = Purpose::buffer}};
  static void describe(auto& self, auto& v) {
    v.stack("layers", self.layers);
    v("table", self.table);
  }
};

/// Values that every type from bfloat16 up holds exactly.
template <class T, class D>
Model<T, D> filled() {
  Model<T, D> m;
  for_each_parameter(m, [&](const std::string& path, auto& p) {
    std::vector<T> values;
    for (std::int64_t i = 0; i < p.value.size(); ++i)
      values.push_back(T(float(Rng(hash_name(path)).below(std::uint64_t(i), 255)) / 8));
    D::from_host(p.value.data(), values.data(), p.value.bytes());
  });
  return m;
}

template <class A, class B>
bool equal(const A& a, const B& b) {
  std::vector<double> x, y;
  for_each_parameter(a, [&](const std::string&, const auto& p) {
    const auto host = to_cpu(p.value);
    for (auto v : host.span()) x.push_back(double(float(v)));
  });
  for_each_parameter(b, [&](const std::string&, const auto& p) {
    const auto host = to_cpu(p.value);
    for (auto v : host.span()) y.push_back(double(float(v)));
  });
  return x == y;
}

}  // namespace

TEMPLATE_TEST_CASE("a model survives every type of file and of memory", "", double, float, f16, bf16) {
  const Scratch scratch;
  const auto path = scratch / "model.safetensors";
  const auto model = filled<TestType, Inverted>();
  for (auto dtype : {std::optional<DType>{}, {DType::f64}, {DType::f32}, {DType::f16}, {DType::bf16}}) {
    save(path, model, {{"step", "7"}}, {.dtype = dtype});
    const auto c = Checkpoint::open(path);
    CHECK(c.metadata() == Metadata{{"format", "pt"}, {"step", "7"}});
    CHECK(c.names().size() == 5);
    CHECK(c.tensor("layers.1.weight").shape == Shape{2, 3});
    CHECK(c.tensor("table").dtype == dtype.value_or(dtype_of<TestType>));
    Model<float> floats;
    const LoadReport report = load(floats, c);
    CHECK(report.loaded == 5);
    CHECK(report.converted == (c.tensor("table").dtype == DType::f32 ? 0 : 5));
    CHECK(equal(floats, model));
    Model<TestType, Inverted> again;
    load(again, c);
    CHECK(equal(again, model));
  }
}

TEST_CASE("shards load like one file") {
  const Scratch scratch;
  const auto model = filled<float, Cpu>();
  save(scratch / "model.safetensors", model, {}, {.write = {.shard_bytes = 50}});
  CHECK(Checkpoint::open(scratch.path()).files().size() > 1);
  Model<float> again;
  load(again, Checkpoint::open(scratch.path()));
  CHECK(equal(again, model));
}

TEST_CASE("what does not fit is listed, and the model keeps its values") {
  const Scratch scratch;
  const auto path = scratch / "model.safetensors";
  Layer<float> small(2, 2);
  small.weight.value.zero();
  small.bias.value.zero();
  save(path, small);
  const auto c = Checkpoint::open(path);

  Model<float> other = filled<float, Cpu>();
  const std::string text = message_of<format_error>([&] { load(other, c); });
  CHECK(text.starts_with(path.string() + ": "));
  CHECK(says(text, "missing 5: layers.0.weight, layers.0.bias, layers.1.weight, layers.1.bias, table"));
  CHECK(says(text, "unexpected 2: bias, weight"));
  CHECK(equal(other, filled<float, Cpu>()));

  Layer<float> large(3, 2);
  large.weight.value.span()[0] = 42;
  large.bias.value.zero();
  const std::string shapes = message_of<format_error>([&] { load(large, c); });
  CHECK(says(shapes, "misshapen 2: weight (the file has [2, 2], the model wants [3, 2])"));
  CHECK(large.weight.value.span()[0] == 42);
}

TEST_CASE("missing and unexpected tensors are accepted when asked, wrong shapes never") {
  const Scratch scratch;
  const auto path = scratch / "model.safetensors";
  save(path, filled<float, Cpu>());
  const auto c = Checkpoint::open(path);
  using enum LoadOptions::Mismatch;

  Layer<float> layer(3, 4);
  const LoadReport report = load(layer, c, {.prefix = "layers.0."});
  CHECK(report.loaded == 2);
  CHECK(report.unexpected.empty());
  CHECK(layer.bias.value.span()[2] == filled<float, Cpu>().layers[0].bias.value.span()[2]);

  CHECK_THROWS_AS(load(layer, c), format_error);
  layer.bias.value.zero();
  const LoadReport none = load(layer, c, {.missing = accept, .unexpected = accept});
  CHECK(none.loaded == 0);
  CHECK(none.missing == std::vector<std::string>{"weight", "bias"});
  CHECK(none.unexpected.size() == 5);
  CHECK(layer.bias.value.span()[2] == 0);
  CHECK_THROWS_AS(load(layer, c, {.missing = accept}), format_error);
  CHECK_THROWS_AS(load(layer, c, {.unexpected = accept}), format_error);
  CHECK_THROWS_AS(load(layer, c, {.missing = accept, .unexpected = accept, .prefix = "layers.1."}), format_error);
}

TEST_CASE("integers are no weights") {
  const Scratch scratch;
  const auto path = scratch / "x.safetensors";
  SafetensorsWriter w(path, {NamedShape{.name = "weight", .dtype = DType::i32, .shape = {1, 1}},
                             NamedShape{.name = "bias", .dtype = DType::i32, .shape = {1}}});
  w.write("weight", std::as_bytes(std::span("abcd", 4)));
  w.write("bias", std::as_bytes(std::span("abcd", 4)));
  w.commit();
  Layer<float> layer(1, 1);
  CHECK(says(message_of<format_error>([&] { load(layer, Checkpoint::open(path)); }), "the file has I32"));
}

TEST_CASE("a failed save leaves the old file") {
  const Scratch scratch;
  const auto path = scratch / "model.safetensors";
  save(path, filled<float, Cpu>());
  const std::string before = get(path);
  CHECK_THROWS_AS(save(path, Layer<float>(1, 1), {{"bad", "\xFF"}}), format_error);
  CHECK_THROWS_AS(save(path, Layer<float>(1, 1), {}, {.write = {.existing = Existing::refuse}}), io_error);
  CHECK(get(path) == before);
  CHECK(scratch.entries() == 1);
}
