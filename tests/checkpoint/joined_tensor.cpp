// SPDX-License-Identifier: MIT
// Tensors in parts, read in any pieces; parts that overlap or are missing are refused.
#include <numeric>

#include <modelgrow/checkpoint/joined_tensor.hpp>
#include <tests/support/training_values.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

/// A box of a tensor whose elements are their own places.
TensorPart box(const Shape& tensor, const Shape& offset, const Shape& shape) {
  auto numbers = std::make_shared<std::vector<float>>();
  for (std::int64_t i = 0; i < numel(shape); ++i) {
    std::int64_t rest = i, place = 0, step = 1;
    for (int a = shape.rank(); a-- > 0; rest /= shape[a], step *= tensor[a])
      place += step * (offset[a] + rest % shape[a]);
    numbers->push_back(float(place));
  }
  const auto* data = reinterpret_cast<const std::byte*>(numbers->data());
  return {.offset = offset, .shape = shape, .data = data, .memory = std::move(numbers)};
}

JoinedTensor of_boxes(const Shape& shape, const std::vector<std::pair<Shape, Shape>>& boxes) {
  std::vector<TensorPart> parts;
  for (const auto& [offset, size] : boxes) parts.push_back(box(shape, offset, size));
  return JoinedTensor(NamedShape{.name = "w", .shape = shape}, JoinedTensor::Parts::boxes, std::move(parts), "file");
}

std::string refusal(const Shape& shape, const std::vector<std::pair<Shape, Shape>>& boxes) {
  return message_of<format_error>([&] { of_boxes(shape, boxes); });
}

}  // namespace

TEST_CASE("boxes along any axis are joined in row-major order") {
  const Shape shape{4, 3, 2};
  std::vector<double> expected(24);
  std::iota(expected.begin(), expected.end(), 0.0);
  for (const auto& boxes : {
           std::vector<std::pair<Shape, Shape>>{{{0, 0, 0}, {4, 3, 2}}},
           {{{0, 0, 0}, {3, 3, 2}}, {{3, 0, 0}, {1, 3, 2}}, {{4, 0, 0}, {0, 3, 2}}},
           {{{0, 1, 0}, {4, 2, 2}}, {{0, 0, 0}, {4, 1, 2}}},
           {{{0, 0, 0}, {4, 3, 1}}, {{0, 0, 1}, {4, 3, 1}}},
           {{{0, 0, 0}, {2, 3, 1}}, {{0, 0, 1}, {2, 3, 1}}, {{2, 0, 0}, {2, 1, 2}}, {{2, 1, 0}, {2, 2, 2}}},
       }) {
    const auto tensor = of_boxes(shape, boxes);
    CHECK(numbers_of(tensor) == expected);  // by pieces that begin and end within elements
    const auto file = joined_file("file", {tensor, tensor.renamed("again")});
    CHECK(values_of<double>(file.tensors()[0]) == expected);
    CHECK(values_of<double>(*file.find("again")) == expected);
  }
}

TEST_CASE("a number, an empty tensor and a scalar") {
  const JoinedTensor number("step", 2.5);
  CHECK(number.shape() == Shape{});
  CHECK(numbers_of(number) == std::vector<double>{2.5});
  const auto scalar = of_boxes({}, {{{}, {}}});
  CHECK(numbers_of(scalar) == std::vector<double>{0});
  const auto empty = of_boxes({0, 3}, {});
  const auto file = joined_file("file", {number, scalar.renamed("s"), empty});
  CHECK(values_of<double>(*file.find("step")) == std::vector<double>{2.5});
  CHECK(file.find("w")->bytes == 0);
  CHECK(says(message_of<format_error>([&] { joined_file("file", {number, number}); }), "step"));
}

TEST_CASE("parts must be the whole tensor, once") {
  CHECK(says(refusal({4, 2}, {{{0, 0}, {3, 2}}}), "file: tensor 'w' of shape [4, 2]", "6 of its 8",
             "at [0, 0] of size [3, 2]", "missing"));
  CHECK(says(refusal({4, 2}, {{{0, 0}, {3, 2}}, {{2, 0}, {1, 2}}}), "overlapping parts", "at [2, 0]"));
  CHECK(says(refusal({4, 2}, {{{0, 0}, {4, 1}}, {{0, 0}, {4, 1}}}), "overlapping parts"));
  CHECK(says(refusal({}, {{{}, {}}, {{}, {}}}), "overlapping parts"));
  CHECK(says(refusal({4, 2}, {{{3, 0}, {2, 2}}}), "leaves it"));
  CHECK(says(refusal({4}, {{{0, 0}, {2, 2}}}), "leaves it"));
  CHECK(says(message_of<format_error>([] {
               JoinedTensor({.name = "w", .dtype = DType::f4, .shape = {4}}, JoinedTensor::Parts::flat,
                            {{.offset = {0}, .shape = {4}}}, "file");
             }),
             "elements of 4 bits"));
}
