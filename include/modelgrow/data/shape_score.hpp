// SPDX-License-Identifier: MIT
// How well clips show what their captions say: accuracy of each class of words, whole objects and clips, distance to
// the true clip.
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include <modelgrow/data/clip.hpp>
#include <modelgrow/data/shape_words.hpp>

namespace modelgrow::inline v0 {

/// Peak signal-to-noise ratio of two clips in dB, 100 for equal ones. Throws shape_error for clips of other sizes.
inline double psnr(const Clip& a, const Clip& b) {
  if (a.frames != b.frames || a.height != b.height || a.width != b.width || a.channels != b.channels)
    throw shape_error("psnr of clips with " + std::to_string(a.size()) + " and " + std::to_string(b.size()) +
                      " values; expected two of one size");
  double squares = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) {
    const double off = double(a.pixels[i]) - double(b.pixels[i]);
    squares += off * off;
  }
  return std::min(100.0, 10 * std::log10(255.0 * 255.0 * double(a.size()) / std::max(squares, 1e-30)));
}

/// Collected over clips; shares are 0 to 1, NaN of none.
class ShapeScore {
 public:
  /// What a judge saw in a clip that should show `truth`, and the clip's PSNR. An object is found by its colour, so
  /// where that is not there nothing is right.
  void add(const ShapeScene& truth, std::span<const ShapeObject> seen, double psnr) {
    std::size_t whole = 0;
    for (const ShapeObject& o : truth.objects) {
      const auto found = std::ranges::find_if(
          seen, [&](const ShapeObject& s) { return s[WordClass::colour] == o[WordClass::colour]; });
      if (found == seen.end()) continue;
      for (const WordClass c : word_classes) right_[std::size_t(c)] += (*found)[c] == o[c];
      whole += *found == o;
    }
    ++clips_;
    objects_ += truth.objects.size();
    whole_objects_ += whole;
    whole_clips_ += whole == truth.objects.size() && seen.size() == whole;
    psnr_ += psnr;
  }

  std::size_t clips() const { return clips_; }
  /// Share of objects of which a class of words is shown rightly.
  double right(WordClass c) const { return double(right_[std::size_t(c)]) / double(objects_); }
  /// Share of all words that are.
  double words() const {
    double sum = 0;
    for (const std::size_t right : right_) sum += double(right);
    return sum / double(right_.size() * objects_);
  }
  /// Share of objects of which everything is.
  double whole_objects() const { return double(whole_objects_) / double(objects_); }
  /// Share of clips that show all their objects, and no others.
  double whole_clips() const { return double(whole_clips_) / double(clips_); }
  double mean_psnr() const { return psnr_ / double(clips_); }

 private:
  std::array<std::size_t, word_classes.size()> right_{};
  std::size_t clips_ = 0, objects_ = 0, whole_objects_ = 0, whole_clips_ = 0;
  double psnr_ = 0;
};

}  // namespace modelgrow::inline v0
