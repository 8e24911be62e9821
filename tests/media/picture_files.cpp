// SPDX-License-Identifier: MIT
// PNG and GIF files read back by another library; palettes; paths that cannot be written.
#include <set>

#include <modelgrow/core/rng.hpp>
#include <modelgrow/media/gif.hpp>
#include <modelgrow/media/png.hpp>
#include <tests/media/files.hpp>
#include <tests/support/catch.hpp>

namespace mg = modelgrow;

namespace {
mg::Clip noise(int frames, int height, int width, int channels, int levels = 256) {
  mg::Clip clip = mg::make_clip(frames, height, width, channels);
  const mg::Rng rng(9);
  for (std::size_t i = 0; i < clip.size(); ++i)
    clip.pixels[i] = std::uint8_t(rng.below(i, levels) * 255 / (levels - 1));
  return clip;
}
/// Smooth colours, as in real clips.
mg::Clip gradient() {
  mg::Clip clip = mg::make_clip(4, 32, 32, 3);
  for (int t = 0; t < 4; ++t)
    for (int y = 0; y < 32; ++y)
      for (int x = 0; x < 32; ++x) {
        clip.at(t, y, x, 0) = std::uint8_t(x * 8), clip.at(t, y, x, 1) = std::uint8_t(y * 8);
        clip.at(t, y, x, 2) = std::uint8_t(40 * t + x + y);
      }
  return clip;
}
}  // namespace

TEST_CASE("PNG files hold exactly one frame") {
  test::Scratch folder;
  for (int channels : {1, 2, 3, 4}) {
    const mg::Clip clip = noise(2, 7, 5, channels);
    mg::write_png(folder / "a.png", clip, 1);
    const mg::Clip read = test::decode_png(test::read(folder / "a.png"));
    CHECK(read.height == 7);
    CHECK(read.width == 5);
    CHECK(read.channels == channels);
    CHECK(std::equal(read.pixels.begin(), read.pixels.end(), clip.frame(1).begin()));
  }
  CHECK(folder.entries() == 1);
  CHECK_THROWS_AS(mg::encode_png(noise(2, 7, 5, 3), 2), mg::shape_error);
  CHECK_THROWS_AS(mg::encode_png(noise(2, 7, 5, 3), -1), mg::shape_error);
  CHECK_THROWS_AS(mg::encode_png(noise(1, 7, 5, 5)), mg::shape_error);
}

TEST_CASE("GIF files hold few colours exactly, loop for ever, and keep time") {
  const mg::Clip clip = noise(5, 9, 11, 3, 4);  // 64 colours
  const std::string bytes = mg::encode_gif(clip, {.frames_per_second = 12.5, .scale = 2});
  std::vector<int> milliseconds;
  const mg::Clip read = test::decode_gif(bytes, milliseconds);
  REQUIRE(read.frames == 5);
  REQUIRE(read.height == 18);
  REQUIRE(read.width == 22);
  CHECK(milliseconds == std::vector<int>(5, 80));
  for (int t = 0; t < 5; ++t)
    for (int y = 0; y < 18; ++y)
      for (int x = 0; x < 22; ++x)
        for (int c = 0; c < 3; ++c) REQUIRE(read.at(t, y, x, c) == clip.at(t, y / 2, x / 2, c));
  CHECK(bytes.find(std::string("NETSCAPE2.0\x03\x01\x00\x00\x00", 16)) != std::string::npos);
}

TEST_CASE("GIF files of many colours come close; grey clips are exact") {
  const mg::Clip clip = gradient();
  std::vector<int> milliseconds;
  const mg::Clip read = test::decode_gif(mg::encode_gif(clip), milliseconds);
  double error = 0, worst = 0;
  for (std::size_t i = 0; i < clip.size(); ++i) {
    const double e = std::abs(double(clip.pixels[i]) - read.pixels[i]);
    error += e / double(clip.size()), worst = std::max(worst, e);
  }
  CHECK(error < 8);  // 4096 colours on 256
  CHECK(worst < 50);
  const mg::Clip grey = noise(2, 16, 16, 1);
  CHECK(test::decode_gif(mg::encode_gif(grey), milliseconds) == mg::to_rgb(grey));
}

TEST_CASE("palettes: exact when they can be, full when they cannot") {
  const mg::Clip few = noise(2, 8, 8, 3, 2);
  const auto exact = mg::make_palette(few, 8);
  CHECK(exact.colors.size() == 8);
  for (std::size_t i = 0; i < exact.indices.size(); ++i) {
    const auto& c = exact.colors[exact.indices[i]];
    REQUIRE(c == mg::Color{few.pixels[3 * i], few.pixels[3 * i + 1], few.pixels[3 * i + 2]});
  }
  // Fewer colours than there are: every pixel still gets a colour of the palette, all of which are used.
  for (int colors : {1, 2, 7, 255, 256}) {
    const auto palette = mg::make_palette(gradient(), colors);
    CHECK(int(palette.colors.size()) == colors);
    CHECK(int(std::set<int>(palette.indices.begin(), palette.indices.end()).size()) > colors * 9 / 10);
  }
  CHECK_THROWS_AS(mg::make_palette(noise(1, 2, 2, 1)), mg::shape_error);
  CHECK_THROWS_AS(mg::make_palette(few, 0), mg::shape_error);
  CHECK_THROWS_AS(mg::make_palette(few, 257), mg::shape_error);
}

TEST_CASE("paths that cannot be written are io errors and leave nothing") {
  test::Scratch folder;
  const mg::Clip clip = noise(1, 4, 4, 3);
  for (const auto& path : {folder / "missing" / "a", folder.path()}) {
    CHECK_THROWS_AS(mg::write_png(path, clip), mg::io_error);
    CHECK_THROWS_AS(mg::write_gif(path, clip), mg::io_error);
  }
  CHECK_THROWS_AS(mg::write_gif(folder / "a.gif", clip, {.scale = 0}), mg::shape_error);
  CHECK_THROWS_AS(mg::write_gif(folder / "a.gif", clip, {.frames_per_second = 0}), mg::shape_error);
  CHECK_THROWS_AS(mg::write_gif(folder / "a.gif", clip, {.scale = 20000}), mg::shape_error);
  CHECK(folder.entries() == 0);
}
