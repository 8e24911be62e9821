// SPDX-License-Identifier: MIT
// The stroke font: every character drawn, inside its box, unlike every other.
#include <set>
#include <string>

#include <modelgrow/media/font.hpp>
#include <tests/support/catch.hpp>

namespace mg = modelgrow;

namespace {
struct Ink {
  double left = 1e9, top = 1e9, right = -1, bottom = -1, amount = 0;
};
Ink ink_of(const mg::Clip& picture) {
  Ink ink;
  for (int y = 0; y < picture.height; ++y)
    for (int x = 0; x < picture.width; ++x)
      if (const int dark = 255 - picture.at(0, y, x, 0); dark > 60) {
        ink.left = std::min<double>(ink.left, x), ink.right = std::max<double>(ink.right, x + 1);
        ink.top = std::min<double>(ink.top, y), ink.bottom = std::max<double>(ink.bottom, y + 1);
        ink.amount += dark / 255.0;
      }
  return ink;
}
}  // namespace

TEST_CASE("every printable character has its own picture inside its box") {
  std::set<std::string> pictures;
  for (char c = 33; c < 127; ++c) {
    mg::Canvas canvas(80, 80);
    mg::draw_text(canvas, {20, 50}, std::string(1, c), {.size = 28});
    const Ink ink = ink_of(canvas.picture());
    INFO("character " << c);
    CHECK(ink.amount > 3);
    CHECK(ink.left >= 20 - 4);
    CHECK(ink.right <= 20 + mg::text_width(std::string(1, c), 28) + 4);
    CHECK(ink.top >= 50 - 32 - 4);
    CHECK(ink.bottom <= 50 + 10 + 4);
    const auto& pixels = canvas.picture().pixels;
    CHECK(pictures.insert(std::string(pixels.begin(), pixels.end())).second);
  }
  mg::Canvas blank(20, 20);
  mg::draw_text(blank, {5, 15}, " ");
  CHECK(ink_of(blank.picture()).amount == 0);
}

TEST_CASE("letters stand on the baseline at the asked height") {
  mg::Canvas canvas(80, 200);
  mg::draw_text(canvas, {10, 60}, "HEFT", {.size = 40});
  const Ink ink = ink_of(canvas.picture());
  CHECK_THAT(ink.bottom, WithinAbs(60 + 2.6, 1));  // half the stroke below
  CHECK_THAT(ink.top, WithinAbs(20 - 2.6, 1));
  CHECK_THAT(ink.right - ink.left, WithinAbs(mg::text_width("HEFT", 40) + 5.2, 1.5));
}

TEST_CASE("alignment and turning") {
  const std::string text = "align";
  const double width = mg::text_width(text, 20);
  for (const auto& [align, left] : {std::pair(mg::TextAlign::left, 100.0),
                                    {mg::TextAlign::center, 100 - width / 2},
                                    {mg::TextAlign::right, 100 - width}}) {
    mg::Canvas canvas(60, 220);
    mg::draw_text(canvas, {100, 40}, text, {.size = 20, .align = align});
    CHECK_THAT(ink_of(canvas.picture()).left, WithinAbs(left, 2.5));
  }
  mg::Canvas turned(220, 60);
  mg::draw_text(turned, {40, 200}, text, {.size = 20, .degrees = 90});
  const Ink ink = ink_of(turned.picture());
  CHECK_THAT(ink.bottom, WithinAbs(200, 2.5));
  CHECK_THAT(ink.top, WithinAbs(200 - width, 2.5));
}

TEST_CASE("digits share one width, so numbers line up") {
  for (char c = '0'; c <= '9'; ++c) CHECK(mg::text_width(std::string(1, c), 10) == mg::text_width("0", 10));
  CHECK(mg::text_width("", 10) == 0);
  CHECK_THAT(mg::text_width("ab", 20), WithinRel(2 * mg::text_width("ab", 10), 1e-12));
}

TEST_CASE("typographic quotes are drawn plainly, other characters as one box each") {
  CHECK(mg::text_width("o\u2019clock \u201cx\u201d \u2013 \u2014", 10) == mg::text_width("o'clock \"x\" - -", 10));
  CHECK(mg::text_width("\u00f1", 10) == mg::text_width("\u6f22", 10));
  CHECK(mg::text_width("\U0001f600", 10) > 0);
  mg::Canvas canvas(40, 40);
  mg::draw_text(canvas, {5, 30}, "\u00f1", {.size = 14});
  CHECK(ink_of(canvas.picture()).amount > 10);
}

TEST_CASE("texts wrap at spaces") {
  const double width = mg::text_width("the digit 3", 10);
  CHECK(mg::wrap_text("the digit 3 moves up", width, 10) == std::vector<std::string>{"the digit 3", "moves up"});
  CHECK(mg::wrap_text("incomprehensibilities are", 5, 10) == std::vector<std::string>{"incomprehensibilities", "are"});
  CHECK(mg::wrap_text("", 50, 10).empty());
}
