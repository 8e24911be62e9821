// SPDX-License-Identifier: MIT
// IDX files: the bundled digits, and files that lie about themselves.
#include <string>

#include <modelgrow/data/idx.hpp>
#include <tests/data/tar.hpp>
#include <tests/support/catch.hpp>

namespace mg = modelgrow;

TEST_CASE("the bundled digits: ten thousand, 28x28, MNIST's uneven classes") {
  const auto digits = mg::load_digits(MODELGROW_SOURCE_DIR "/examples/data/digits");
  CHECK(digits.count() == 10000);
  CHECK(digits.height == 28);
  CHECK(digits.width == 28);
  std::vector<int> classes(10);
  for (auto label : digits.labels) ++classes[label];
  CHECK(classes == std::vector<int>{1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978});
  double sum = 0;
  for (auto p : digits.pixels) sum += p;
  CHECK_THAT(sum / double(digits.pixels.size()) / 255, WithinAbs(0.1307, 0.004));  // the mean of MNIST

  const auto part = digits.slice(9000, 1000);
  CHECK(part.count() == 1000);
  CHECK(part.labels[0] == digits.labels[9000]);
  CHECK(std::equal(part.image(999).begin(), part.image(999).end(), digits.image(9999).begin()));
  CHECK_THROWS_AS(digits.slice(9001, 1000), mg::shape_error);
  CHECK_THROWS_AS(digits.slice(-1, 1), mg::shape_error);
}

TEST_CASE("plain IDX files, and those that are refused") {
  test::Scratch folder;
  const auto images = folder / "images", labels = folder / "labels";
  const test::Bytes two_images{0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 10, 11, 12, 13};
  const test::Bytes two_labels{0, 0, 8, 1, 0, 0, 0, 2, 9, 4};
  test::write(images, two_images);
  test::write(labels, two_labels);
  const auto digits = mg::load_digits(images, labels);
  CHECK(digits.count() == 2);
  CHECK(std::vector<std::uint8_t>(digits.image(1).begin(), digits.image(1).end()) == test::Bytes{12, 13});

  CHECK_THROWS_AS(mg::read_idx(folder / "none"), mg::io_error);
  CHECK_THROWS_AS(mg::load_digits(labels, images), mg::format_error);  // swapped
  const auto refused = [&](test::Bytes content) {
    test::write(images, content);
    CHECK_THROWS_AS(mg::load_digits(images, labels), mg::format_error);
  };
  for (std::size_t length = 0; length < two_images.size(); ++length)
    refused(test::Bytes(two_images.begin(), two_images.begin() + length));
  auto longer = two_images;
  longer.push_back(0);
  refused(longer);
  auto floats = two_images;
  floats[2] = 0x0d;
  refused(floats);
  refused({0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 10, 11});  // one image, two labels
  test::write(images, two_images);
  test::write(labels, {0, 0, 8, 1, 0, 0, 0, 2, 9, 10});
  CHECK_THROWS_AS(mg::load_digits(images, labels), mg::format_error);  // label 10

  auto zipped = test::read(MODELGROW_SOURCE_DIR "/examples/data/digits/digits-10k-labels-idx1-ubyte.gz");
  zipped.resize(zipped.size() / 2);
  test::write(labels, zipped);
  CHECK_THROWS_AS(mg::read_idx(labels), mg::format_error);
}
