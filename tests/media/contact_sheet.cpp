// SPDX-License-Identifier: MIT
// Contact sheets: the frames are there, in order, enlarged, and nothing overlaps.
#include <modelgrow/media/contact_sheet.hpp>
#include <modelgrow/media/png.hpp>  // a second translation unit with the PNG writer
#include <tests/support/catch.hpp>

namespace mg = modelgrow;

namespace {
/// Frame t is filled with grey value 10 * t + first.
mg::Clip stepped(int frames, int size, int first) {
  mg::Clip clip = mg::make_clip(frames, size, size, 1);
  for (int t = 0; t < frames; ++t) std::fill(clip.frame(t).begin(), clip.frame(t).end(), std::uint8_t(10 * t + first));
  return clip;
}
int count(const mg::Clip& picture, int value) {
  int n = 0;
  for (std::size_t i = 0; i < picture.pixels.size(); i += 3)
    n += picture.pixels[i] == value && picture.pixels[i + 1] == value && picture.pixels[i + 2] == value;
  return n;
}
/// First column that holds the value.
int column_of(const mg::Clip& picture, int value) {
  for (int x = 0; x < picture.width; ++x)
    for (int y = 0; y < picture.height; ++y)
      if (picture.at(0, y, x, 0) == value && picture.at(0, y, x, 1) == value) return x;
  return -1;
}
}  // namespace

TEST_CASE("every shown frame is on the sheet whole, in order") {
  const std::vector<mg::ContactRow> rows{{.strips = {{.clip = stepped(8, 16, 3)}}},
                                         {.strips = {{.clip = stepped(4, 32, 101)}, {.clip = stepped(2, 64, 151)}}}};
  const mg::Clip sheet = mg::contact_sheet(rows, {.frames = 4, .frame_pixels = 40});
  CHECK(sheet.frames == 1);
  CHECK(sheet.channels == 3);
  for (int value : {3, 23, 43, 63}) CHECK(count(sheet, value) == 32 * 32);  // frames 0, 2, 4, 6, twice as large
  for (int value : {13, 33, 53, 73}) CHECK(count(sheet, value) == 0);
  for (int value : {101, 111, 121, 131}) CHECK(count(sheet, value) == 32 * 32);
  for (int value : {151, 161}) CHECK(count(sheet, value) == 64 * 64);
  CHECK(column_of(sheet, 3) < column_of(sheet, 23));
  CHECK(column_of(sheet, 23) < column_of(sheet, 43));
  CHECK(column_of(sheet, 3) == column_of(sheet, 101));
  CHECK(mg::encode_png(sheet).substr(1, 3) == "PNG");
}

TEST_CASE("captions make room; titles and labels are drawn") {
  const auto sheet = [](const std::string& caption, const std::string& label, const std::string& title) {
    return mg::contact_sheet(
        std::vector<mg::ContactRow>{{.caption = caption, .strips = {{.label = label, .clip = stepped(2, 8, 0)}}}},
        {.title = title, .frame_pixels = 8});
  };
  const mg::Clip plain = sheet("", "", "");
  CHECK(sheet("a caption that goes on and on over several lines of text until the row must grow", "", "").height >
        plain.height + 40);
  CHECK(sheet("", "", "title").height > plain.height);
  CHECK(sheet("", "before", "").width > plain.width);
  const auto inked = [](const mg::Clip& p) { return p.height * p.width - count(p, 255); };
  CHECK(inked(sheet("word", "", "")) > inked(plain) + 50);
}

TEST_CASE("sheets without content are refused") {
  CHECK_THROWS_AS(mg::contact_sheet({}), mg::shape_error);
  CHECK_THROWS_AS(mg::contact_sheet(std::vector<mg::ContactRow>{{.caption = "no strip"}}), mg::shape_error);
  CHECK_THROWS_AS(
      mg::contact_sheet(std::vector<mg::ContactRow>{{.strips = {{.clip = stepped(2, 8, 0)}}}}, {.frames = 0}),
      mg::shape_error);
}

TEST_CASE("clip grids play several clips at once") {
  const std::vector<mg::Clip> clips{stepped(2, 4, 0), stepped(2, 4, 50), mg::to_rgb(stepped(2, 4, 100))};
  const mg::Clip grid = mg::clip_grid(clips, 2, 1);
  CHECK(grid.frames == 2);
  CHECK(grid.height == 9);
  CHECK(grid.width == 9);
  CHECK(int(grid.at(0, 0, 0, 0)) == 0);
  CHECK(int(grid.at(1, 3, 8, 1)) == 60);
  CHECK(int(grid.at(1, 5, 0, 2)) == 110);
  CHECK(int(grid.at(0, 8, 8, 0)) == 255);
  CHECK(int(grid.at(0, 4, 0, 0)) == 255);
  CHECK_THROWS_AS(mg::clip_grid({}, 2), mg::shape_error);
  CHECK_THROWS_AS(mg::clip_grid(clips, 0), mg::shape_error);
  CHECK_THROWS_AS(mg::clip_grid(std::vector<mg::Clip>{stepped(2, 4, 0), stepped(3, 4, 0)}, 2), mg::shape_error);
}
