// SPDX-License-Identifier: MIT
// The laws of the verb `fill`: what reads through a map reads as it did, in every type, in averages and float weights
// of optimizers too, before and after other growth; the matrices lie beside the plan, and damage is found.
#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/grow/check_grown.hpp>
#include <modelgrow/grow/file_check.hpp>
#include <modelgrow/grow/fill.hpp>
#include <modelgrow/grow/free_space.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/plan_json.hpp>
#include <modelgrow/grow/plan_print.hpp>
#include <modelgrow/grow/read_plan.hpp>
#include <modelgrow/grow/residual.hpp>
#include <modelgrow/grow/write.hpp>
#include <modelgrow/grow/write_plan.hpp>

#include "disk.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/scratch.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;
using Values = std::vector<double>;

namespace {

constexpr std::int64_t hidden = 12, width = 5;

/// A projector with stored states, and what reads it.
Schema reader_schema(DType type = DType::f64) {
  const Extent units = Space{.name = "hidden", .size = hidden};
  Schema s;
  s.family = "reader";
  const auto put = [&](std::string name, Axes axes, Purpose purpose = Purpose::weight) {
    s.parameters.push_back(
        ParamSpec{.name = std::move(name),
                  .dtype = type,
                  .info = ParamInfo{.axes = std::move(axes), .init = Init::normal(1), .purpose = purpose}});
  };
  put("text.weight", {out(units), fixed(width)});
  put("text.bias", {out(units)});
  put("text.null", {fixed(2), fixed(width)}, Purpose::buffer);
  put("head.weight", {fixed(3), in(units)});
  s.spaces.push_back(SpaceSpec{.space = {.name = "hidden", .size = hidden}});
  s.constants["text_dim"] = width;
  return s;
}

Values random(std::size_t n, std::uint64_t seed) {
  Values v;
  for (std::size_t i = 0; i < n; ++i) v.push_back(Rng(seed).normal(i));
  return v;
}
std::shared_ptr<const AffineMap> random_map(std::int64_t from, std::int64_t to = width, std::uint64_t seed = 7) {
  return std::make_shared<const AffineMap>(AffineMap{.from = from,
                                                     .to = to,
                                                     .weight = random(std::size_t(from * to), seed),
                                                     .bias = random(std::size_t(to), seed + 1),
                                                     .r_squared = 0.875});
}
Fill fill_of(std::shared_ptr<const AffineMap> map, std::int64_t length = 3) {
  const std::int64_t from = map->from;
  return Fill{.readers = {{.weight = "text.weight", .bias = "text.bias", .states = "text.null"}},
              .map = std::move(map),
              .length = length,
              .constants = {{"text_dim", from}}};
}
Plan filled_plan(const Fill& fill, DType type = DType::f64) {
  Plan p(reader_schema(type));
  p.allow(Allow::What::approximate);
  p.fill(fill);
  return p;
}

template <Element T>
HostTensor tensor(const Shape& shape, std::uint64_t seed) {
  HostTensor t{.dtype = dtype_of<T>, .shape = shape, .bytes = {}};
  for (std::int64_t i = 0; i < numel(shape); ++i) {
    const T x = element_cast<T>(Rng(seed).normal(std::uint64_t(i)));
    const auto* bytes = reinterpret_cast<const std::byte*>(&x);
    t.bytes.insert(t.bytes.end(), bytes, bytes + sizeof x);
  }
  return t;
}
template <Element T>
StateDict state(std::uint64_t seed = 1) {
  StateDict d;
  for (const auto& p : reader_schema().parameters) d[p.name] = tensor<T>(p.shape(), hash_name(p.name) + seed);
  return d;
}
Values values(const HostTensor& t) {
  return values_of<double>(
      {.name = {}, .dtype = t.dtype, .shape = t.shape, .data = t.bytes.data(), .bytes = t.bytes.size()});
}
/// weight x + bias of every row of x.
Values affine(const Values& weight, const Values& bias, const Values& x) {
  const std::size_t n = weight.size() / bias.size();
  Values y;
  for (std::size_t i = 0; i < x.size() / n; ++i)
    for (std::size_t h = 0; h < bias.size(); ++h) {
      y.push_back(bias[h]);
      for (std::size_t k = 0; k < n; ++k) y.back() += weight[h * n + k] * x[i * n + k];
    }
  return y;
}
/// What the projector makes of states.
Values read(const StateDict& d, const Values& x) {
  return affine(values(d.at("text.weight")), values(d.at("text.bias")), x);
}
double relative(const Values& a, const Values& b) {
  REQUIRE(a.size() == b.size());
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += a[i] * a[i];
  }
  return std::sqrt(difference / size);
}

/// Five of the new channels give the old ones; two of them are told apart by `gain` only.
std::shared_ptr<const AffineMap> selection(double gain) {
  AffineMap map{.from = 7, .to = width, .weight = Values(7 * width), .bias = {0.1, -0.2, 0.3, 0, 0.5}};
  const auto set = [&](std::int64_t to, std::int64_t from, double v) { map.weight[std::size_t(to * 7 + from)] = v; };
  for (std::int64_t i = 0; i < width; ++i) set(i, i + 1, 1);
  set(4, 4, 1);
  set(4, 5, 1 + gain);
  return std::make_shared<const AffineMap>(map);
}
template <Element T>
double error_of_null(double gain) {
  const auto old = state<T>();
  const auto grown = grow_weights(filled_plan(fill_of(selection(gain)), dtype_of<T>), old);
  auto wanted = read(old, values(old.at("text.null")));
  wanted.insert(wanted.end(), wanted.end() - hidden, wanted.end());  // the last one again
  return relative(wanted, read(grown, values(grown.at("text.null"))));
}

TensorSet set_of_views(const std::vector<TensorView>& views) { return {views, "test"}; }

}  // namespace

TEMPLATE_TEST_CASE("what reads through a map reads as it did, to rounding", "", double, float, f16, bf16) {
  const double rounding[] = {1e-13, 1e-6, 3e-3, 2e-2};
  const auto map = random_map(GENERATE(4, 5, 8));
  const auto old = state<TestType>();
  const Plan p = filled_plan(fill_of(map), dtype_of<TestType>);
  const auto grown = grow_weights(p, old);
  CHECK(grown.at("text.weight").shape == Shape{hidden, map->from});
  CHECK(grown.at("text.null").shape == Shape{3, map->from});
  CHECK(grown.at("head.weight") == old.at("head.weight"));
  const auto x = random(std::size_t(6 * map->from), 3);
  const double found = relative(read(old, affine(map->weight, map->bias, x)), read(grown, x));
  CHECK(found < rounding[dtype_of<TestType> == DType::f64   ? 0
                         : dtype_of<TestType> == DType::f32 ? 1
                         : dtype_of<TestType> == DType::f16 ? 2
                                                            : 3]);
  const auto before = detail::views_of(old), after = detail::views_of(grown);
  const auto check = check_weights(p, set_of_views(before), set_of_views(after));
  CHECK(check.tensors.size() == 4);
  for (const auto& t : check.tensors)
    if (t.name != "text.null") CHECK(t.residual == 0);
}

TEST_CASE("stored states survive the rounding of the type that they are stored in") {
  CHECK(error_of_null<double>(1) < 1e-13);
  CHECK(error_of_null<float>(1) < 1e-6);
  CHECK(error_of_null<f16>(1) < 2e-3);
  CHECK(error_of_null<bf16>(1) < 2e-2);
  // A faint direction is used where the type can tell it from rounding, and is left out where it cannot: the state
  // would be huge in it, and its product with the rounded weights anything.
  CHECK(error_of_null<double>(1e-5) < 1e-10);
  CHECK(error_of_null<float>(1e-5) < 0.1);
  CHECK(error_of_null<f16>(1e-5) < 1);
  CHECK(error_of_null<bf16>(1e-5) < 1);
}

TEST_CASE("of all solutions of a least-squares problem the smallest is taken, whatever the rank") {
  const std::int64_t n = GENERATE(3, 6, 9), m = 6, k = 2, rank = GENERATE(1, 3);
  const auto left = random(std::size_t(n * rank), 1), right = random(std::size_t(rank * m), 2),
             b = random(std::size_t(n * k), 3);
  const auto a = detail::product(n, rank, m, left.data(), right.data());
  const auto x = detail::least_norm(n, m, a.data(), k, b.data(), 1e-10);
  // The gradient is zero, and x lies in the span of the rows of a: right^T z for some z, so what is across is zero.
  auto error = detail::product(n, m, k, a.data(), x.data());
  for (std::size_t i = 0; i < error.size(); ++i) error[i] -= b[i];
  const auto gradient = detail::product(m, n, k, detail::transposed(a, m).data(), error.data());
  for (const double g : gradient) CHECK(std::abs(g) < 1e-12);
  const auto z = detail::least_norm(m, rank, detail::transposed(right, m).data(), k, x.data(), 1e-12);
  const auto inside = detail::product(m, rank, k, detail::transposed(right, m).data(), z.data());
  for (std::size_t i = 0; i < x.size(); ++i) CHECK(std::abs(inside[i] - x[i]) < 1e-12);
}

TEST_CASE("a fill and other growth do not get in each other's way, and fills follow one another") {
  const auto map = random_map(7);
  const auto old = state<double>();
  const auto wider = [](Plan& p) { p.apply(Net2Wider{.space = "hidden", .to = 2 * hidden}); };
  Plan before(reader_schema());
  before.allow(Allow::What::approximate);
  wider(before);
  before.fill(fill_of(map));
  Plan after = filled_plan(fill_of(map));
  wider(after);
  const auto a = grow_weights(before, old), b = grow_weights(after, old);
  CHECK(a == b);
  const auto x = random(2 * 7, 3), y = affine(map->weight, map->bias, x);
  const auto head = [](const StateDict& d, const Values& h) {
    return affine(values(d.at("head.weight")), Values(3), h);
  };
  CHECK(relative(head(old, read(old, y)), head(a, read(a, x))) < 1e-13);

  const auto again = random_map(9, 7, 20);
  Plan twice = filled_plan(fill_of(map));
  twice.fill(fill_of(again, 2));
  const auto c = grow_weights(twice, old);
  const auto u = random(2 * 9, 4);
  CHECK(relative(read(old, affine(map->weight, map->bias, affine(again->weight, again->bias, u))), read(c, u)) < 1e-13);
  CHECK(twice.schema().sizes().at("text_dim") == 9);
  const auto views = detail::views_of(old), grown = detail::views_of(c);
  check_weights(twice, set_of_views(views), set_of_views(grown));
}

TEST_CASE("averages and the float weights of optimizers are filled from their own; moments start anew") {
  const auto map = random_map(7);
  const Plan p = filled_plan(fill_of(map), DType::bf16);
  const auto averages = state<float>(5), grown = grow_weights(p, averages, Absent::leave_out);
  const auto x = random(4 * 7, 3), y = affine(map->weight, map->bias, x);
  CHECK(relative(read(averages, y), read(grown, x)) < 1e-6);

  StateDict optimizer;
  for (const auto& q : reader_schema().parameters) {
    if (q.info.purpose == Purpose::buffer) continue;
    for (const auto kind : {OptimizerKind::m, OptimizerKind::v, OptimizerKind::master})
      optimizer[optimizer_name(kind, q.name)] = tensor<float>(q.shape(), hash_name(q.name) + std::uint64_t(kind));
    optimizer[optimizer_name(OptimizerKind::step, q.name)] =
        HostTensor{.dtype = DType::i64, .shape = {}, .bytes = std::vector<std::byte>(8, std::byte{1})};
  }
  const auto moved = grow_optimizer(p, optimizer);
  const auto master = [](const StateDict& d) {
    return StateDict{{"text.weight", d.at("adamw.master.text.weight")}, {"text.bias", d.at("adamw.master.text.bias")}};
  };
  CHECK(relative(read(master(optimizer), y), read(master(moved), x)) < 1e-6);
  for (const char* name : {"adamw.m.text.weight", "adamw.v.text.weight", "adamw.m.text.bias", "adamw.step.text.bias"})
    CHECK(detail::all_zero(moved.at(name).bytes));
  CHECK(moved.at("adamw.m.head.weight") == optimizer.at("adamw.m.head.weight"));
  const auto before = detail::views_of(optimizer), after = detail::views_of(moved);
  check_optimizer(p, set_of_views(before), set_of_views(after));

  auto alone = averages;
  alone.erase("text.weight");
  CHECK(says(message_of<format_error>([&] { grow_weights(p, alone, Absent::leave_out); }), "'text.weight'",
             "'text.bias' is filled", "keep both or neither"));
}

TEST_CASE("the file check finds a fill that is not what its map makes") {
  const Plan p = filled_plan(fill_of(random_map(7)), DType::bf16);
  const auto old = state<bf16>();
  const auto broken = [&](const std::string& name, std::size_t element, float by) {
    auto grown = grow_weights(p, old);
    bf16 x;
    std::byte* at = grown.at(name).bytes.data() + element * sizeof x;
    std::memcpy(&x, at, sizeof x);
    x = bf16(float(x) + by);
    std::memcpy(at, &x, sizeof x);
    const auto before = detail::views_of(old), after = detail::views_of(grown);
    return message_of<check_error>([&] { check_weights(p, set_of_views(before), set_of_views(after)); });
  };
  CHECK(broken("text.weight", 8, 0).empty());
  CHECK(says(broken("text.weight", 8, 0.1F), "'text.weight'", "row 1, column 1", "W' = W A"));
  CHECK(says(broken("text.bias", 3, 0.1F), "'text.bias'", "row 3", "b' = b + W c"));
  CHECK(says(broken("text.null", 0, 100), "'text.null'", "worse than no states"));
}

TEST_CASE("a fill is approximate, and says how good its map is; what does not fit is refused") {
  const auto map = random_map(7);
  const Plan p = filled_plan(fill_of(map));
  CHECK(p.certificate().exactness == Exactness::approximate);
  CHECK(says(p.certificate().reason, "other states", "through the map " + checksum(*map), "R^2 0.875"));
  CHECK(says(p.steps().back().what, "fill", "states of width 5", "those of width 7"));
  CHECK(says(to_string(p), "filled: W A of map " + checksum(*map), "filled: b + W c", "nearest states"));
  CHECK(says(to_string(p), "[12, 5] -> [12, 7]"));

  const auto refused = [&](auto&& edit) {
    Fill fill = fill_of(map);
    edit(fill);
    return message_of<plan_error>([&] { filled_plan(fill); });
  };
  CHECK(refused([](Fill&) {}).empty());
  CHECK(says(refused([](Fill& f) { f.map = nullptr; }), "needs a map"));
  CHECK(says(refused([](Fill& f) { f.map = random_map(7, 4); }), "'text.weight'", "[12, 5]", "width 4"));
  CHECK(says(refused([](Fill& f) { f.readers = {}; }), "nothing that reads"));
  CHECK(says(refused([](Fill& f) { f.readers[0].weight = "text.wait"; }), "'text.wait'", "text.weight"));
  CHECK(says(refused([](Fill& f) { f.readers[0].weight = "head.weight"; }), "'head.weight'"));
  CHECK(says(refused([](Fill& f) { f.readers[0].bias = "text.null"; }), "no bias of"));
  CHECK(says(refused([](Fill& f) { f.readers[0].bias = ""; }), "no bias", "constant of the map"));
  CHECK(says(refused([](Fill& f) { f.length = 0; }), "length 0"));
  const auto changed = [&](auto&& edit) {
    return refused([&](Fill& f) {
      AffineMap m = *map;
      edit(m);
      f.map = std::make_shared<const AffineMap>(m);
    });
  };
  CHECK(says(changed([](AffineMap& m) { m.weight.pop_back(); }), "34 and 5 numbers", "expected 35"));
  CHECK(says(changed([](AffineMap& m) { m.bias[2] = NAN; }), "not finite"));
  CHECK(says(message_of<plan_error>([&] { Plan(reader_schema()).fill(fill_of(map)); }), "allow_approximate"));
  Plan added(reader_schema());
  added.allow(Allow::What::approximate);
  auto fresh = *added.schema().find("text.weight");
  fresh.name = "new.weight";
  added.add({fresh});
  CHECK(says(message_of<plan_error>([&] { added.fill({.readers = {{.weight = "new.weight"}}, .map = map}); }),
             "'new.weight'", "new itself"));
}

TEST_CASE("the matrices lie beside the plan; a file that is missing, damaged or of another plan is found") {
  const Scratch scratch;
  const Schema s = reader_schema();
  const Plan p = filled_plan(fill_of(random_map(7)));
  const auto path = scratch / "plan.json", matrices = scratch / "plan.fill.safetensors";
  CHECK(write_plan(p, path) == std::vector<std::filesystem::path>{path, matrices});
  const auto room = modelgrow::detail::bytes_of_maps(p), size = std::filesystem::file_size(matrices);
  CHECK((room < size && size < room + 1024));
  const Plan again = read_plan(path, s);
  CHECK(to_json(again) == to_json(p));
  CHECK(grow_weights(again, state<double>()) == grow_weights(p, state<double>()));
  CHECK(again.certificate().reason == p.certificate().reason);
  CHECK(says(message_of<format_error>([&] { plan_from_json(to_json(p), s); }), "beside plan.json", "read_plan"));

  const auto bytes = detail::read_file(matrices);
  auto damaged = bytes;
  damaged.back() = char(damaged.back() ^ 1);
  detail::write_file(matrices, damaged);
  const auto failure = [&] { return message_of<format_error>([&] { read_plan(path, s); }); };
  CHECK(says(failure(), "plan.fill.safetensors", "checksum", "damaged"));
  write_plan(filled_plan(fill_of(random_map(8))), scratch / "other.json");
  std::filesystem::copy(scratch / "other.fill.safetensors", matrices,
                        std::filesystem::copy_options::overwrite_existing);
  CHECK(says(failure(), "does not hold the map", "not the file of this plan"));
  const auto sum = checksum(*random_map(7));
  tiny::write_dict(matrices, {{sum + ".weight", tensor<double>({5, 6}, 1)}, {sum + ".bias", tensor<double>({5}, 1)}});
  CHECK(says(failure(), "from width 6 to 5", "expects 7 to 5"));
  tiny::write_dict(matrices, {{sum + ".weight", tensor<double>({5, 6}, 1)}, {sum + ".bias", tensor<double>({4}, 1)}});
  CHECK(says(failure(), "[5, 6]", "[4]", "are no map"));
  std::filesystem::remove(matrices);
  CHECK(says(message_of<io_error>([&] { read_plan(path, s); }), "plan.fill.safetensors", "no such file", "copy it"));
  CHECK(write_plan(Plan(s), path).size() == 1);
}

TEST_CASE("on disk a fill is what it is in memory, and the folder is checked once more from its plan") {
  const Scratch scratch;
  const auto old = state<float>();
  std::filesystem::create_directory(scratch / "base");
  tiny::write_dict(scratch / "base" / "model.safetensors", old);
  tiny::write_dict(scratch / "base" / "ema.safetensors", state<float>(9));
  const auto in = Checkpoint::open(scratch / "base");
  const Plan p = filled_plan(fill_of(random_map(7)), DType::f32);
  const auto report = p.write(in, scratch / "grown");
  CHECK(std::count(report.files.begin(), report.files.end(), "plan.fill.safetensors") == 1);
  const auto out = Checkpoint::open(scratch / "grown");
  CHECK(tiny::read_dict(out) == grow_weights(p, old));
  CHECK(tiny::read_dict(out.ema()) == grow_weights(p, state<float>(9), Absent::leave_out));
  CHECK(check_grown(out, in, reader_schema(DType::f32)).tensors == 8);
  // The matrices are no weights to whoever grows on from here.
  CHECK(Plan(p.schema()).write(out, scratch / "more").checked == 8);

  std::filesystem::resize_file(scratch / "grown" / "plan.fill.safetensors",
                               std::filesystem::file_size(scratch / "grown" / "plan.fill.safetensors") - 1);
  CHECK_THROWS_AS(check_grown(out, in, reader_schema(DType::f32)), format_error);
}
