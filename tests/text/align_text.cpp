// SPDX-License-Identifier: MIT
// The alignment of a text projector by itself: 16-bit weights, the float weights that an optimizer keeps of them, and
// what is refused.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/checkpoint/model_io.hpp>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/nn/caption_embedder.hpp>
#include <modelgrow/text/align_text.hpp>
#include <modelgrow/train/adamw.hpp>
#include <tests/support/catch.hpp>
#include <tests/support/message.hpp>
#include <tests/support/temporary_directory.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

constexpr std::int64_t hidden = 12, old_width = 5, new_width = 7;
constexpr const char* first_weight = "y_embedder.y_proj.fc1.weight";

template <class T>
struct Reader {
  CaptionEmbedder<T, Cpu> y_embedder;

  Reader(std::int64_t channels, std::int64_t length, std::uint64_t seed)
      : y_embedder(Extent(hidden), channels, length) {
    for_each_parameter(*this, [&](const std::string& path, Parameter<T, Cpu>& p) {
      const Rng rng(seed, hash_name(path));
      for (std::int64_t i = 0; i < p.value.size(); ++i)
        p.value.data()[i] = element_cast<T>(rng.normal(std::uint64_t(i)));
    });
  }
  static void describe(auto& self, auto& v) { v.child("y_embedder", self.y_embedder); }

  /// What the first layer makes of one row of the null caption.
  std::vector<double> first_of_null(std::int64_t row) {
    const auto &w = y_embedder.y_proj.fc1.weight.value, &b = y_embedder.y_proj.fc1.bias.value,
               &null = y_embedder.y_embedding.value;
    std::vector<double> y;
    for (std::int64_t h = 0; h < hidden; ++h) {
      y.push_back(element_cast<double>(b.data()[h]));
      for (std::int64_t c = 0; c < w.dim(1); ++c)
        y.back() +=
            element_cast<double>(w.data()[h * w.dim(1) + c]) * element_cast<double>(null.data()[row * w.dim(1) + c]);
    }
    return y;
  }
};

/// Five of the new channels give the old ones; two of them are told apart by `gain` only.
AffineMap selection(double gain) {
  AffineMap map{.from = new_width,
                .to = old_width,
                .weight = std::vector<double>(new_width * old_width),
                .bias = {0.1, -0.2, 0.3, 0, 0.5}};
  const auto set = [&](std::int64_t to, std::int64_t from, double v) {
    map.weight[std::size_t(to * new_width + from)] = v;
  };
  for (std::int64_t i = 0; i < old_width; ++i) set(i, i + 1, 1);
  set(3, 5, 1);
  set(4, 4, 1);
  set(4, 5, 1 + gain);
  return map;
}

template <class T>
double error_of_null(double gain) {
  Reader<T> before(old_width, 2, 1), after(new_width, 3, 2);
  align_text(after, before, selection(gain));
  double difference = 0, size = 0;
  for (std::int64_t row = 0; row < 3; ++row) {
    const auto wanted = before.first_of_null(std::min<std::int64_t>(row, 1)), found = after.first_of_null(row);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      difference += (wanted[i] - found[i]) * (wanted[i] - found[i]);
      size += wanted[i] * wanted[i];
    }
  }
  return std::sqrt(difference / size);
}

template <class T>
std::vector<double> values(const Tensor<T, Cpu>& t) {
  std::vector<double> v;
  for (std::int64_t i = 0; i < t.size(); ++i) v.push_back(element_cast<double>(t.data()[i]));
  return v;
}

/// An optimizer as steps leave it: moments, and float weights of every trained parameter.
AdamW<bf16, Cpu> used(const Reader<bf16>& model) {
  AdamW<bf16, Cpu> optimizer(model, {});
  for_each_parameter(model, [&](const std::string& path, const Parameter<bf16, Cpu>& p) {
    if (!p.trained()) return;
    auto& s = optimizer.states()[path];
    s.m = Tensor<float, Cpu>::zeros(p.value.shape());
    s.v = s.m.clone();
    s.master = s.m.clone();
    s.step = 1;
    for (std::int64_t i = 0; i < p.value.size(); ++i) s.master.data()[i] = float(p.value.data()[i]);
  });
  return optimizer;
}

}  // namespace

TEST_CASE("the null caption survives the rounding of the type that it is stored in") {
  CHECK(error_of_null<double>(1) < 1e-13);
  CHECK(error_of_null<float>(1) < 1e-6);
  CHECK(error_of_null<f16>(1) < 2e-3);
  CHECK(error_of_null<bf16>(1) < 2e-2);
  // A faint direction is used where the type can tell it from rounding, and is left out where it cannot: the null
  // caption in it would be huge, and its product with the rounded weights anything.
  CHECK(error_of_null<double>(1e-5) < 1e-10);
  CHECK(error_of_null<float>(1e-5) < 0.1);
  CHECK(error_of_null<f16>(1e-5) < 1);
  CHECK(error_of_null<bf16>(1e-5) < 1);
}

TEST_CASE("a 16-bit model is aligned together with the float weights that its optimizer keeps") {
  const auto map = selection(1);
  const Reader<bf16> before(old_width, 2, 1);
  Reader<bf16> model(new_width, 2, 2);
  auto optimizer = used(model);
  const TemporaryDirectory scratch;
  std::filesystem::create_directory(scratch / "grown");
  save(scratch / "before.safetensors", before);
  save(scratch / "grown" / "model.safetensors", model);
  optimizer.save(scratch / "grown" / "optimizer.safetensors");
  detail::write_file(scratch / "grown" / "notes.txt", "kept");
  const auto moments = values(optimizer.states().at(first_weight).m);
  const auto other = values(optimizer.states().at("y_embedder.y_proj.fc2.weight").master);

  align_text(model, before, map, optimizer);
  align_text(scratch / "grown", Checkpoint::open(scratch / "before.safetensors"), map);

  const auto out = Checkpoint::open(scratch / "grown");
  Reader<bf16> loaded(new_width, 2, 3);
  load(loaded, out);
  AdamW<bf16, Cpu> read(loaded, {});
  read.load(out.optimizer(), loaded);
  CHECK(detail::read_file(scratch / "grown" / "notes.txt") == "kept");
  const auto check = [&](Reader<bf16>& m, AdamW<bf16, Cpu>& o) {
    const auto& weight = m.y_embedder.y_proj.fc1.weight.value;
    const auto& master = o.states().at(first_weight).master;
    CHECK(values(weight) == values(model.y_embedder.y_proj.fc1.weight.value));
    for (std::int64_t i = 0; i < weight.size(); ++i) CHECK(bf16(master.data()[i]) == weight.data()[i]);
    CHECK(values(o.states().at(first_weight).m) == moments);
    CHECK(values(o.states().at("y_embedder.y_proj.fc2.weight").master) == other);
  };
  check(loaded, read);
  check(model, optimizer);
}

TEST_CASE("what cannot be aligned is refused, and nothing has changed") {
  const auto map = selection(1);
  const Reader<bf16> before(old_width, 2, 1);
  Reader<bf16> model(new_width, 2, 2);
  const auto weight = values(model.y_embedder.y_proj.fc1.weight.value);

  Reader<bf16> narrow(old_width, 2, 3);
  auto other = used(narrow);
  CHECK(says(message_of<shape_error>([&] { align_text(model, before, map, other); }), first_weight, "[12, 5]",
             "grow the optimizer"));
  CHECK(values(model.y_embedder.y_proj.fc1.weight.value) == weight);

  auto empty = before;
  empty.y_embedder.y_embedding.value = Tensor<bf16, Cpu>({0, old_width});
  CHECK(says(message_of<shape_error>([&] { align_text(model, empty, map); }), "y_embedder.y_embedding", "[0, 5]"));
  CHECK(values(model.y_embedder.y_proj.fc1.weight.value) == weight);

  const TemporaryDirectory scratch;
  std::filesystem::create_directory(scratch / "grown");
  save(scratch / "before.safetensors", before);
  save(scratch / "grown" / "model.safetensors", model);
  const auto in = Checkpoint::open(scratch / "before.safetensors");
  const auto bytes = detail::read_file(scratch / "grown" / "model.safetensors");
  std::filesystem::create_symlink("nowhere", scratch / "grown" / "notes.txt");
  CHECK(says(message_of<io_error>([&] { align_text(scratch / "grown", in, map); }), "cannot copy", "notes.txt"));
  std::filesystem::remove(scratch / "grown" / "notes.txt");
  other.save(scratch / "grown" / "optimizer.safetensors");
  CHECK(says(message_of<shape_error>([&] { align_text(scratch / "grown", in, map); }), "adamw.master.", "[12, 5]"));
  CHECK(detail::read_file(scratch / "grown" / "model.safetensors") == bytes);
  CHECK(std::distance(std::filesystem::directory_iterator(scratch.path()), {}) == 2);
}
