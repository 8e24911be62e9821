// SPDX-License-Identifier: MIT
// Drawing: how much of each pixel is covered.
#include <modelgrow/media/canvas.hpp>
#include <tests/support/catch.hpp>

namespace mg = modelgrow;

namespace {
int grey(const mg::Canvas& canvas, int y, int x) { return canvas.picture().at(0, y, x, 0); }
constexpr mg::Color black{0, 0, 0};
}  // namespace

TEST_CASE("rectangles cover pixels by area") {
  mg::Canvas canvas(4, 6);
  canvas.rectangle({1.5, 1}, {4, 2.25}, black);
  CHECK(grey(canvas, 1, 0) == 255);
  CHECK(std::abs(grey(canvas, 1, 1) - 127) <= 1);
  CHECK(grey(canvas, 1, 2) == 0);
  CHECK(grey(canvas, 1, 3) == 0);
  CHECK(grey(canvas, 1, 4) == 255);
  CHECK(std::abs(grey(canvas, 2, 3) - 191) <= 1);
  CHECK(grey(canvas, 3, 3) == 255);
  CHECK(grey(canvas, 0, 3) == 255);
  canvas.rectangle({-10, -10}, {100, 100}, {10, 20, 30});  // clipped to the canvas
  CHECK(canvas.picture().at(0, 3, 5, 2) == 30);
}

TEST_CASE("opacity mixes with what is there") {
  mg::Canvas canvas(1, 1, {200, 100, 0});
  canvas.rectangle({0, 0}, {1, 1}, {0, 100, 200}, 0.25);
  CHECK(canvas.picture().pixels == std::vector<std::uint8_t>{150, 100, 50});
}

TEST_CASE("strokes have their thickness, smooth edges and round ends") {
  mg::Canvas canvas(20, 40);
  canvas.stroke(mg::Polyline{{10, 10}, {30, 10}}, 4, black);
  double covered = 0;
  for (int y = 0; y < 20; ++y) covered += (255 - grey(canvas, y, 20)) / 255.0;
  CHECK_THAT(covered, WithinAbs(4, 0.05));
  CHECK(grey(canvas, 9, 20) == 0);
  CHECK(grey(canvas, 4, 20) == 255);
  double area = 0;
  for (int y = 0; y < 20; ++y)
    for (int x = 0; x < 40; ++x) area += (255 - grey(canvas, y, x)) / 255.0;
  CHECK_THAT(area, WithinAbs(20 * 4 + 3.1416 * 4, 1));  // a rectangle and two half discs of radius 2
}

TEST_CASE("a line between pixel centres is smooth, at any angle equally thick") {
  for (double angle : {0.0, 0.3, 0.785, 1.2}) {
    mg::Canvas canvas(60, 60);
    const double dx = 20 * std::cos(angle), dy = 20 * std::sin(angle);
    canvas.stroke(mg::Polyline{{30 - dx, 30 - dy}, {30 + dx, 30 + dy}}, 3, black);
    double area = 0;
    for (int y = 0; y < 60; ++y)
      for (int x = 0; x < 60; ++x) area += (255 - grey(canvas, y, x)) / 255.0;
    CHECK_THAT(area, WithinAbs(40 * 3 + 3.1416 * 2.25, 2));
  }
}

TEST_CASE("one stroke is not blended twice where its lines cross; a single point is a dot") {
  mg::Canvas canvas(20, 20);
  const mg::Polyline cross[] = {{{2, 10}, {18, 10}}, {{10, 2}, {10, 18}}};
  canvas.stroke(cross, 4, black, 0.5);
  CHECK(grey(canvas, 10, 10) == grey(canvas, 10, 5));
  mg::Canvas dot(9, 9);
  dot.stroke(mg::Polyline{{4.5, 4.5}}, 3, black);
  CHECK(grey(dot, 4, 4) == 0);
  CHECK(grey(dot, 4, 8) == 255);
}

TEST_CASE("nothing is drawn outside, and far points do no harm") {
  mg::Canvas canvas(8, 8);
  const auto before = canvas.picture();
  canvas.stroke(mg::Polyline{{-500, -500}, {-400, 900}}, 3, black);
  canvas.stroke(std::span<const mg::Polyline>{}, 3, black);
  canvas.stroke(mg::Polyline{}, 3, black);
  CHECK(canvas.picture() == before);
  canvas.stroke(mg::Polyline{{-1e7, 4}, {1e7, 4}}, 2, black);
  CHECK(grey(canvas, 3, 0) == 0);
  CHECK(grey(canvas, 4, 7) == 0);
  CHECK(grey(canvas, 6, 3) == 255);
}

TEST_CASE("bands fill between two curves") {
  mg::Canvas canvas(10, 10);
  const mg::Polyline upper{{0, 2}, {10, 2}}, lower{{0, 2}, {10, 8}};
  canvas.band(upper, lower, black, 1);
  CHECK(grey(canvas, 6, 9) == 0);
  CHECK(grey(canvas, 6, 2) == 255);
  CHECK(grey(canvas, 1, 9) == 255);
  double area = 0;
  for (auto p : canvas.picture().pixels) area += (255 - p) / 255.0 / 3;
  CHECK_THAT(area, WithinAbs(30, 0.3));
}

TEST_CASE("frames are placed enlarged, grey or RGB, and cut at the border") {
  mg::Clip clip = mg::make_clip(2, 1, 2, 1);
  clip.pixels = {1, 2, 3, 4};
  mg::Canvas canvas(4, 4);
  canvas.place(clip, 1, 1, 1, 2);
  for (int y : {1, 2}) {
    CHECK(grey(canvas, y, 0) == 255);
    CHECK(grey(canvas, y, 1) == 3);
    CHECK(grey(canvas, y, 2) == 3);
    CHECK(grey(canvas, y, 3) == 4);
  }
  CHECK(grey(canvas, 3, 1) == 255);
  canvas.place(mg::to_rgb(clip), 0, -1, -1);
  CHECK(grey(canvas, 0, 0) == 255);
  CHECK_THROWS_AS(mg::Canvas(0, 3), mg::shape_error);
}
