// SPDX-License-Identifier: MIT
// A sheet of clips to look at: each row a caption and below each other one or more strips of frames, such as the same
// prompt before and after growth.
#pragma once
#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include <modelgrow/core/error.hpp>
#include <modelgrow/data/clip.hpp>
#include <modelgrow/media/canvas.hpp>
#include <modelgrow/media/font.hpp>

namespace modelgrow::inline v0 {

/// Frames of one clip, side by side; the label stands small beside them.
struct ContactStrip {
  std::string label = {};
  Clip clip;
};
struct ContactRow {
  std::string caption = {};
  std::vector<ContactStrip> strips = {};
};

struct ContactSheetOptions {
  std::string title = {};
  int frames = 8;         ///< at most; longer clips are sampled evenly
  int frame_pixels = 96;  ///< small clips are enlarged by the whole factor that comes nearest below
  int caption_pixels = 170;
};

/// The sheet as a picture. Throws shape_error when there are no rows, a row has no strips or an option is not positive.
inline Clip contact_sheet(std::span<const ContactRow> rows, const ContactSheetOptions& options = {}) {
  constexpr int margin = 20, gap = 3, row_gap = 14;
  constexpr double caption_size = 10, label_size = 7.5;
  if (rows.empty() || options.frames < 1 || options.frame_pixels < 1 || options.caption_pixels < 1)
    throw shape_error("contact sheet: needs at least one row and positive sizes");
  const auto scale_of = [&](const Clip& clip) {
    return std::max(1, options.frame_pixels / std::max(clip.height, clip.width));
  };
  const auto frames_of = [&](const Clip& clip) { return std::min(clip.frames, options.frames); };

  int width = 0, height = margin + (options.title.empty() ? 0 : 34);
  std::vector<int> tops;
  std::vector<std::vector<std::string>> captions;
  for (const auto& row : rows) {
    if (row.strips.empty()) throw shape_error("contact sheet: row '" + row.caption + "' has no strips");
    tops.push_back(height);
    captions.push_back(wrap_text(row.caption, options.caption_pixels, caption_size));
    int strips = -gap;
    for (const auto& s : row.strips) {
      strips += s.clip.height * scale_of(s.clip) + gap;
      width = std::max(width, frames_of(s.clip) * (s.clip.width * scale_of(s.clip) + gap) - gap);
    }
    height += std::max(strips, int(captions.back().size()) * 18) + row_gap;
  }
  int label_pixels = 0;
  for (const auto& row : rows)
    for (const auto& s : row.strips)
      if (!s.label.empty()) label_pixels = std::max(label_pixels, int(text_width(s.label, label_size)) + 12);

  const int left = margin + options.caption_pixels + 16 + label_pixels;
  Canvas canvas(height - row_gap + margin, left + width + margin);
  if (!options.title.empty()) draw_text(canvas, {double(margin), margin + 14.0}, options.title, {.size = 13});
  for (std::size_t r = 0; r < rows.size(); ++r) {
    int top = tops[r];
    if (r > 0)
      canvas.rectangle({double(margin), top - row_gap / 2 - 0.5}, {double(left + width), top - row_gap / 2 + 0.5},
                       {225, 228, 233});
    for (std::size_t i = 0; i < captions[r].size(); ++i)
      draw_text(canvas, {double(margin), top + 16.0 + 18.0 * double(i)}, captions[r][i], {.size = caption_size});
    for (const auto& strip : rows[r].strips) {
      const int scale = scale_of(strip.clip), shown = frames_of(strip.clip);
      draw_text(canvas, {left - 8.0, top + strip.clip.height * scale / 2 + label_size / 2}, strip.label,
                {.size = label_size, .color = {110, 116, 126}, .align = TextAlign::right});
      for (int t = 0; t < shown; ++t)
        canvas.place(strip.clip, int(std::int64_t(t) * strip.clip.frames / shown), top,
                     left + t * (strip.clip.width * scale + gap), scale);
      top += strip.clip.height * scale + gap;
    }
  }
  return canvas.picture();
}

/// Clips of equal frames side by side and below each other in one clip, `columns` a row: the animated contact sheet.
/// Throws shape_error when there are none or their shapes differ.
inline Clip clip_grid(std::span<const Clip> clips, int columns, int gap = 2) {
  if (clips.empty() || columns < 1) throw shape_error("clip grid: needs at least one clip and one column");
  const Clip& first = clips[0];
  const int across = std::min<int>(columns, int(clips.size())), down = (int(clips.size()) + columns - 1) / columns;
  Clip grid = make_clip(first.frames, down * (first.height + gap) - gap, across * (first.width + gap) - gap, 3);
  std::fill(grid.pixels.begin(), grid.pixels.end(), std::uint8_t(255));
  for (std::size_t i = 0; i < clips.size(); ++i) {
    if (clips[i].frames != first.frames || clips[i].height != first.height || clips[i].width != first.width)
      throw shape_error("clip grid: clip " + std::to_string(i) + " has another shape than clip 0; resize it first");
    const Clip clip = to_rgb(clips[i]);
    const int top = int(i) / columns * (first.height + gap), left = int(i) % columns * (first.width + gap);
    for (int t = 0; t < clip.frames; ++t)
      for (int y = 0; y < clip.height; ++y)
        std::copy_n(&clip.pixels[((std::size_t(t) * clip.height + y) * clip.width) * 3], clip.width * 3,
                    &grid.pixels[((std::size_t(t) * grid.height + top + y) * grid.width + left) * 3]);
  }
  return grid;
}

}  // namespace modelgrow::inline v0
