// SPDX-License-Identifier: MIT
// Plots: ticks are round, curves lie where their values say, gaps stay gaps, nonsense is refused.
#include <cmath>
#include <limits>

#include <modelgrow/media/plot.hpp>
#include <tests/support/catch.hpp>

namespace mg = modelgrow;

namespace {
bool close(const std::uint8_t* p, mg::Color c) {
  return std::abs(p[0] - c.red) + std::abs(p[1] - c.green) + std::abs(p[2] - c.blue) < 12;
}
/// Mean row of the pixels of a colour in one column below the legend; -1 if there are none.
double row_of(const mg::Clip& picture, int x, mg::Color color) {
  double sum = 0;
  int n = 0;
  for (int y = 90; y < picture.height; ++y)
    if (close(&picture.pixels[(std::size_t(y) * picture.width + x) * 3], color)) sum += y, ++n;
  return n ? sum / n : -1;
}
mg::Series line(std::string name, double from, double to) {
  mg::Series s{.name = std::move(name)};
  for (int i = 0; i <= 100; ++i) s.x.push_back(i), s.y.push_back(from + (to - from) * i / 100);
  return s;
}
}  // namespace

TEST_CASE("ticks are round numbers inside the range") {
  CHECK(mg::ticks(0, 10, 5, mg::Scale::linear) == std::vector<double>{0, 2, 4, 6, 8, 10});
  CHECK(mg::ticks(-0.9, 2.1, 3, mg::Scale::linear) == std::vector<double>{0, 1, 2});
  CHECK(mg::ticks(120, 480, 4, mg::Scale::linear) == std::vector<double>{200, 300, 400});
  const auto decades = mg::ticks(0.5, 20000, 5, mg::Scale::log);
  REQUIRE(decades.size() == 5);
  CHECK_THAT(decades[4], WithinRel(10000, 1e-12));
  CHECK(mg::ticks(0.15, 0.8, 5, mg::Scale::log).size() == 7);  // 0.2 .. 0.8
  const auto narrow = mg::ticks(0.18, 0.19, 5, mg::Scale::log);
  CHECK(narrow.size() >= 4);
  for (double t : narrow) CHECK((t >= 0.18 && t <= 0.1900001));
  for (double low : {-3.7, 0.0, 1e-7, 123456.0})
    for (double span : {1e-6, 0.3, 7.0, 9e8})
      for (int count : {3, 5, 9}) {
        const auto t = mg::ticks(low, low + span, count, mg::Scale::linear);
        INFO(low << " + " << span << " by " << count);
        CHECK(int(t.size()) >= count / 2);
        CHECK(int(t.size()) <= 2 * count + 2);
      }
}

TEST_CASE("labels of an axis share their unit") {
  CHECK(mg::tick_label(2000, 12000) == "2k");
  CHECK(mg::tick_label(12000, 12000) == "12k");
  CHECK(mg::tick_label(2000, 8000) == "2000");
  CHECK(mg::tick_label(0, 12000) == "0");
  CHECK(mg::tick_label(1.5e6, 3e6) == "1.5M");
  CHECK(mg::tick_label(0.1 + 0.2, 0.5) == "0.3");
  CHECK(mg::tick_label(1e-5, 1e-5) == "1e-05");
}

TEST_CASE("curves lie where their values say") {
  const auto first = mg::series_colors[0], second = mg::series_colors[1];
  const mg::Clip picture = mg::plot(std::vector<mg::Series>{line("up", 0, 1), line("flat", 0.5, 0.5)},
                                    {.title = "t", .x_label = "x", .y_label = "y", .width = 800, .height = 500});
  CHECK(picture.width == 800);
  CHECK(picture.height == 500);
  int left = -1, right = -1;
  for (int x = 0; x < 800; ++x)
    if (row_of(picture, x, first) >= 0) left = left < 0 ? x : left, right = x;
  REQUIRE(left > 0);
  const int middle = (left + right) / 2, quarter = (3 * left + right) / 4;
  const double at_left = row_of(picture, left + 3, first), at_right = row_of(picture, right - 3, first);
  CHECK(at_left > at_right + 200);  // rising
  CHECK_THAT(row_of(picture, quarter, first), WithinAbs(at_left + (at_right - at_left) / 4, 3));
  CHECK_THAT(row_of(picture, quarter, second), WithinAbs((at_left + at_right) / 2, 3));
  CHECK_THAT(row_of(picture, middle + 40, second), WithinAbs(row_of(picture, quarter, second), 1));
}

TEST_CASE("on a log axis a geometric series is straight") {
  mg::Series s{.name = "halving"};
  for (int i = 0; i <= 100; ++i) s.x.push_back(i), s.y.push_back(std::pow(0.9, i));
  const mg::Clip picture =
      mg::plot(std::vector<mg::Series>{s}, {.width = 800, .height = 500, .y_scale = mg::Scale::log});
  const double a = row_of(picture, 200, mg::series_colors[0]), b = row_of(picture, 400, mg::series_colors[0]);
  const double c = row_of(picture, 600, mg::series_colors[0]);
  CHECK(c > a + 100);
  CHECK_THAT(b - a, WithinAbs(c - b, 3));
}

TEST_CASE("values that cannot be shown leave a gap, bands and marks are drawn") {
  mg::Series s = line("gap", 1, 2);
  for (int i = 40; i < 60; ++i) s.y[i] = i % 2 ? std::nan("") : std::numeric_limits<double>::infinity();
  const mg::Clip gap = mg::plot(std::vector<mg::Series>{s}, {.width = 800, .height = 500});
  CHECK(row_of(gap, 440, mg::series_colors[0]) == -1);
  CHECK(row_of(gap, 200, mg::series_colors[0]) > 0);
  CHECK(row_of(gap, 700, mg::series_colors[0]) > 0);

  mg::Series plain = line("band", 1, 2), banded = plain;
  for (double y : plain.y) banded.low.push_back(y - 0.2), banded.high.push_back(y + 0.2);
  const auto tinted = [](const mg::Clip& p) {
    int n = 0;
    for (std::size_t i = 0; i < p.pixels.size(); i += 3) n += close(&p.pixels[i], {214, 232, 243});
    return n;
  };
  const mg::Clip band = mg::plot(std::vector<mg::Series>{banded}, {.width = 800, .height = 500});
  CHECK(tinted(band) > 20000);
  CHECK(tinted(mg::plot(std::vector<mg::Series>{plain}, {.width = 800, .height = 500})) < 500);
  CHECK(mg::plot(std::vector<mg::Series>{plain}, {.marks = {{.x = 30, .text = "growth"}}}) !=
        mg::plot(std::vector<mg::Series>{plain}));
}

TEST_CASE("constant and single-point series, and many of them, can be drawn") {
  CHECK(mg::plot(std::vector<mg::Series>{{.name = "one", .x = {3}, .y = {0}}}).frames == 1);
  CHECK(mg::plot(std::vector<mg::Series>{line("constant", 5, 5)}, {.y_scale = mg::Scale::log}).frames == 1);
  CHECK(mg::plot(std::vector<mg::Series>(20, line("one of twenty", 0, 1)), {.width = 500}).frames == 1);
}

TEST_CASE("plots of nothing or of unequal lengths are refused") {
  CHECK_THROWS_AS(mg::plot({}), mg::shape_error);
  CHECK_THROWS_AS(mg::plot(std::vector<mg::Series>{{.name = "a", .x = {1, 2}, .y = {1}}}), mg::shape_error);
  CHECK_THROWS_AS(mg::plot(std::vector<mg::Series>{{.name = "a", .x = {1}, .y = {1}, .low = {0}}}), mg::shape_error);
  CHECK_THROWS_AS(mg::plot(std::vector<mg::Series>{{.name = "a", .x = {1}, .y = {std::nan("")}}}), mg::shape_error);
  CHECK_THROWS_AS(mg::plot(std::vector<mg::Series>{{.name = "a", .x = {1}, .y = {-1}}}, {.y_scale = mg::Scale::log}),
                  mg::shape_error);
  CHECK_THROWS_AS(mg::plot(std::vector<mg::Series>{line("a", 0, 1)}, {.width = 60, .height = 60}), mg::shape_error);
}
