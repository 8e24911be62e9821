// SPDX-License-Identifier: MIT
// A stroke font of our own for printable ASCII: smooth at any size, no font files. Glyphs are drawn on a grid where the
// baseline is 0, capitals are 14 high, small letters 10, and descenders reach -5.
#pragma once
#include <array>
#include <cmath>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <modelgrow/media/canvas.hpp>

namespace modelgrow::inline v0 {
namespace detail {

/// Width on the grid, and strokes: M begins one, "x y" is its next point, "A cx cy rx ry from to" an arc in degrees.
struct Glyph {
  double width;
  std::string_view path;
};

inline constexpr std::array<Glyph, 95> glyphs{{
    {2.4, ""},                                                                                                // space
    {0, "M 0 14 0 4.5 M 0 0.5"},                                                                              // !
    {3.4, "M 0 14 0 10 M 3.4 14 3.4 10"},                                                                     // "
    {10, "M 1.8 0 3.8 14 M 6.2 0 8.2 14 M 0.6 9.5 10 9.5 M 0 4.5 9.4 4.5"},                                   // #
    {8.8, "M A 4.4 10.4 3.9 3.2 35 270 A 4.4 3.7 4.3 3.5 90 -150 M 4.4 16 4.4 -2"},                           // $
    {12, "M A 2.6 11 2.6 3 0 360 M A 9.4 3 2.6 3 0 360 M 9.8 14 2.2 0"},                                      // %
    {10, "M 9.8 0 2.5 9.4 A 4.6 11.3 2.7 2.7 215 -40 A 3.8 3.6 3.8 3.6 130 300 9.6 6.4"},                     // &
    {0, "M 0 14 0 10"},                                                                                       // '
    {2.4, "M A 6 6 6 10 125 235"},                                                                            // (
    {2.4, "M A -3.6 6 6 10 55 -55"},                                                                          // )
    {6, "M 3 14 3 8 M 0.4 12.5 5.6 9.5 M 0.4 9.5 5.6 12.5"},                                                  // *
    {8.6, "M 0 6.5 8.6 6.5 M 4.3 2.2 4.3 10.8"},                                                              // +
    {0.8, "M 0.8 0.5 0 -2.6"},                                                                                // ,
    {5, "M 0 5.6 5 5.6"},                                                                                     // -
    {0, "M 0 0.5"},                                                                                           // .
    {6, "M 0 -2 6 15.5"},                                                                                     // /
    {8.6, "M A 4.3 7 4.3 7 0 360"},                                                                           // 0
    {8.6, "M 1.2 11.2 4.8 14 4.8 0"},                                                                         // 1
    {8.6, "M A 4.2 10 4 4 162 -35 0.2 0 8.5 0"},                                                              // 2
    {8.6, "M A 4.1 10.6 3.6 3.4 150 -90 A 4.1 3.6 4.2 3.6 90 -150"},                                          // 3
    {8.6, "M 6.5 0 6.5 14 0 4 8.6 4"},                                                                        // 4
    {8.6, "M 7.6 14 1.4 14 0.8 7.6 A 4 4.5 4.4 4.5 135 -150"},                                                // 5
    {8.6, "M 6.3 14 0.8 6.9 M A 4.3 4.4 4.3 4.4 0 360"},                                                      // 6
    {8.6, "M 0.2 14 8.5 14 3 0"},                                                                             // 7
    {8.6, "M A 4.3 10.6 3.6 3.4 0 360 M A 4.3 3.6 4.3 3.6 0 360"},                                            // 8
    {8.6, "M 2.3 0 7.8 7.1 M A 4.3 9.6 4.3 4.4 0 360"},                                                       // 9
    {0, "M 0 0.5 M 0 8.6"},                                                                                   // :
    {0.8, "M 0.8 8.6 M 0.8 0.5 0 -2.6"},                                                                      // ;
    {8, "M 8 11 0 6.5 8 2"},                                                                                  // <
    {8.6, "M 0 8.6 8.6 8.6 M 0 4.4 8.6 4.4"},                                                                 // =
    {8, "M 0 11 8 6.5 0 2"},                                                                                  // >
    {7.4, "M A 3.7 10.4 3.7 3.6 165 -50 3.7 5.6 3.7 4.2 M 3.7 0.5"},                                          // ?
    {12.4, "M A 5.8 5.4 2.5 3.2 0 360 M 8.3 8.6 8.3 4.6 A 10.2 4.6 1.9 2 180 330 A 6.2 5.4 6.2 7.4 -5 300"},  // @
    {10, "M 0 0 5 14 10 0 M 1.7 4.8 8.3 4.8"},                                                                // A
    {8.6, "M 0 0 0 14 4.6 14 A 4.6 10.7 3.3 3.3 90 -90 0 7.4 M 4.6 7.4 A 4.8 3.7 3.8 3.7 90 -90 0 0"},        // B
    {10.4, "M A 6 7 6 7 45 315"},                                                                             // C
    {10.2, "M 0 0 0 14 4 14 A 4 7 6.2 7 90 -90 0 0"},                                                         // D
    {8, "M 8 14 0 14 0 0 8 0 M 0 7.4 7 7.4"},                                                                 // E
    {7.8, "M 7.8 14 0 14 0 0 M 0 7.2 6.8 7.2"},                                                               // F
    {11.4, "M A 6 7 6 7 45 335 11.4 6.6 7 6.6"},                                                              // G
    {9.6, "M 0 0 0 14 M 9.6 0 9.6 14 M 0 7.3 9.6 7.3"},                                                       // H
    {0, "M 0 0 0 14"},                                                                                        // I
    {6, "M 6 14 6 4 A 3 4 3 4 0 -165"},                                                                       // J
    {9, "M 0 0 0 14 M 9 14 0 5 M 3.3 8.3 9.2 0"},                                                             // K
    {7.4, "M 0 14 0 0 7.4 0"},                                                                                // L
    {12, "M 0 0 0 14 6 3.5 12 14 12 0"},                                                                      // M
    {10, "M 0 0 0 14 10 0 10 14"},                                                                            // N
    {12, "M A 6 7 6 7 0 360"},                                                                                // O
    {8.6, "M 0 0 0 14 4.6 14 A 4.8 10.2 3.8 3.8 90 -90 0 6.4"},                                               // P
    {12, "M A 6 7 6 7 0 360 M 7.6 3.6 11.6 -1"},                                                              // Q
    {9, "M 0 0 0 14 4.6 14 A 4.8 10.2 3.8 3.8 90 -90 0 6.4 M 4.4 6.4 9 0"},                                   // R
    {8.8, "M A 4.4 10.6 4 3.4 30 270 A 4.4 3.6 4.4 3.6 90 -150"},                                             // S
    {10, "M 0 14 10 14 M 5 14 5 0"},                                                                          // T
    {10, "M 0 14 0 5 A 5 5 5 5 180 360 10 14"},                                                               // U
    {10, "M 0 14 5 0 10 14"},                                                                                 // V
    {15, "M 0 14 3.8 0 7.5 12 11.2 0 15 14"},                                                                 // W
    {9.4, "M 0 0 9.4 14 M 0 14 9.4 0"},                                                                       // X
    {10, "M 0 14 5 7 10 14 M 5 7 5 0"},                                                                       // Y
    {9, "M 0 14 9 14 0 0 9 0"},                                                                               // Z
    {3, "M 3 15.5 0 15.5 0 -3 3 -3"},                                                                         // [
    {6, "M 0 15.5 6 -2"},                                                    // backslash
    {3, "M 0 15.5 3 15.5 3 -3 0 -3"},                                        // ]
    {7, "M 0 9 3.5 14 7 9"},                                                 // ^
    {8, "M 0 -2.5 8 -2.5"},                                                  // _
    {2.5, "M 0 14.5 2.5 12"},                                                // `
    {8.2, "M A 4.1 5 4.1 5 0 360 M 8.2 10 8.2 0"},                           // a
    {8.2, "M 0 15 0 0 M A 4.1 5 4.1 5 0 360"},                               // b
    {7.2, "M A 4.1 5 4.1 5 45 315"},                                         // c
    {8.2, "M 8.2 15 8.2 0 M A 4.1 5 4.1 5 0 360"},                           // d
    {8.2, "M 0.1 5.2 8.2 5.2 A 4.1 5 4.1 5 2 320"},                          // e
    {5.4, "M 2 0 2 11.6 A 5 11.6 3 3.4 180 75 M 0 10 5.2 10"},               // f
    {8.2, "M A 4.1 5 4.1 5 0 360 M 8.2 10 8.2 -1 A 4.3 -1 3.9 3.8 0 -150"},  // g
    {7.8, "M 0 15 0 0 M 0 6 A 3.9 6 3.9 4 180 0 7.8 0"},                     // h
    {0, "M 0 10 0 0 M 0 13.8"},                                              // i
    {2, "M 2 10 2 -2.2 A -0.4 -2.2 2.4 2.4 0 -100 M 2 13.8"},                // j
    {7.4, "M 0 15 0 0 M 7 10 0 3.4 M 2.7 5.9 7.6 0"},                        // k
    {2, "M 0 15 0 2.2 A 2 2.2 2 2.2 180 275"},                               // l
    {12.6, "M 0 10 0 0 M 0 6.4 A 3.15 6.4 3.15 3.6 180 0 6.3 0 M 6.3 6.4 A 9.45 6.4 3.15 3.6 180 0 12.6 0"},  // m
    {7.8, "M 0 10 0 0 M 0 6 A 3.9 6 3.9 4 180 0 7.8 0"},                                                      // n
    {8.4, "M A 4.2 5 4.2 5 0 360"},                                                                           // o
    {8.2, "M 0 10 0 -5 M A 4.1 5 4.1 5 0 360"},                                                               // p
    {8.2, "M 8.2 10 8.2 -5 M A 4.1 5 4.1 5 0 360"},                                                           // q
    {4.8, "M 0 10 0 0 M 0 5.8 A 4 5.8 4 4.2 180 72"},                                                         // r
    {6.6, "M A 3.3 7.5 3 2.5 35 270 A 3.3 2.5 3.3 2.5 90 -150"},                                              // s
    {5.2, "M 2 13.6 2 2.8 A 4.7 2.8 2.7 2.8 180 280 M 0 10 5 10"},                                            // t
    {7.8, "M 0 10 0 4 A 3.9 4 3.9 4 180 360 M 7.8 10 7.8 0"},                                                 // u
    {7.8, "M 0 10 3.9 0 7.8 10"},                                                                             // v
    {12, "M 0 10 3 0 6 8.6 9 0 12 10"},                                                                       // w
    {7.4, "M 0 0 7.4 10 M 0 10 7.4 0"},                                                                       // x
    {8, "M 0 10 4.1 0 M 8 10 3.1 -2.5 2 -4.3 0.2 -4.8"},                                                      // y
    {7, "M 0 10 7 10 0 0 7 0"},                                                                               // z
    {4, "M 4 15.5 A 4 13.5 2 2 90 180 2 8.2 0.3 6.2 2 4.2 2 -1 A 4 -1 2 2 180 270"},                          // {
    {0, "M 0 16 0 -3"},                                                                                       // |
    {4, "M 0 15.5 A 0 13.5 2 2 90 0 2 8.2 3.7 6.2 2 4.2 2 -1 A 0 -1 2 2 0 -90"},                              // }
    {9.2, "M A 2.3 6 2.3 1.8 180 0 A 6.9 6 2.3 1.8 180 360"},                                                 // ~
}};
inline constexpr Glyph unknown_glyph{7, "M 0 0 7 0 7 14 0 14 0 0"};
inline constexpr double glyph_gap = 3.8;  // between glyphs, on the grid

/// Strokes of one glyph on the grid (y up).
inline std::vector<Polyline> glyph_strokes(const Glyph& glyph) {
  std::vector<Polyline> strokes;
  const std::string text(glyph.path);
  for (const char* at = text.c_str(); *at != 0;) {
    char* next = nullptr;
    const auto number = [&] {
      const double value = std::strtod(at, &next);
      at = next;
      return value;
    };
    if (*at == ' ') {
      ++at;
    } else if (*at == 'M') {
      strokes.emplace_back();
      ++at;
    } else if (*at == 'A') {
      ++at;
      const double cx = number(), cy = number(), rx = number(), ry = number(), from = number(), to = number();
      const int steps = std::max(2, int(std::abs(to - from) / 12));
      for (int i = 0; i <= steps; ++i) {
        const double angle = (from + (to - from) * i / steps) * 3.14159265358979 / 180;
        strokes.back().push_back({cx + rx * std::cos(angle), cy + ry * std::sin(angle)});
      }
    } else {
      const double x = number();
      strokes.back().push_back({x, number()});
    }
  }
  return strokes;
}
/// Glyphs of a text (UTF-8): typographic quotes and dashes as their plain forms, other characters as one box each.
inline std::vector<Glyph> glyphs_of(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, char>, 6> plain{
      {{"\u2018", '\''}, {"\u2019", '\''}, {"\u201c", '"'}, {"\u201d", '"'}, {"\u2013", '-'}, {"\u2014", '-'}}};
  std::vector<Glyph> result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    for (const auto& [typographic, ascii] : plain)
      if (text.substr(i).starts_with(typographic)) c = ascii, i += typographic.size() - 1;
    if (c >= 32 && c < 127)
      result.push_back(glyphs[c - 32]);
    else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80)
      result.push_back(unknown_glyph);
  }
  return result;
}
}  // namespace detail

enum class TextAlign { left, center, right };

/// `size` is the height of capitals in pixels.
struct TextStyle {
  double size = 9;
  Color color{40, 44, 52};
  TextAlign align = TextAlign::left;
  double weight = 0.13;  ///< thickness of strokes, as a share of the size
  double degrees = 0;    ///< turned counterclockwise around the start of the baseline
};

/// Width of a text in pixels.
inline double text_width(std::string_view text, double size) {
  const auto glyphs = detail::glyphs_of(text);
  double width = glyphs.empty() ? 0 : -detail::glyph_gap;
  for (const auto& g : glyphs) width += g.width + detail::glyph_gap;
  return width * size / 14;
}

/// Draws one line of text; `at` is the left, centre or right end of its baseline.
inline void draw_text(Canvas& canvas, Point at, std::string_view text, const TextStyle& style = {}) {
  const double scale = style.size / 14, angle = style.degrees * 3.14159265358979 / 180;
  const double share = style.align == TextAlign::left ? 0 : style.align == TextAlign::center ? 0.5 : 1;
  double x = -share * text_width(text, style.size) / scale;
  std::vector<Polyline> strokes;
  for (const auto& glyph : detail::glyphs_of(text)) {
    for (auto& stroke : detail::glyph_strokes(glyph)) {
      for (auto& p : stroke) {
        const double along = (x + p.x) * scale, up = p.y * scale;
        p = {at.x + along * std::cos(angle) - up * std::sin(angle),
             at.y - along * std::sin(angle) - up * std::cos(angle)};
      }
      strokes.push_back(std::move(stroke));
    }
    x += glyph.width + detail::glyph_gap;
  }
  canvas.stroke(strokes, style.size * style.weight, style.color);
}

/// Breaks a text at spaces into lines of at most `width` pixels; a longer word stays whole.
inline std::vector<std::string> wrap_text(std::string_view text, double width, double size) {
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    const auto space = text.find(' ');
    const std::string word(text.substr(0, space));
    text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
    if (line.empty()) {
      line = word;
    } else if (text_width(line + " " + word, size) <= width) {
      line += " " + word;
    } else {
      lines.push_back(std::move(line));
      line = word;
    }
  }
  if (!line.empty()) lines.push_back(std::move(line));
  return lines;
}

}  // namespace modelgrow::inline v0
