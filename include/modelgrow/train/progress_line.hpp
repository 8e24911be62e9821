// SPDX-License-Identifier: MIT
// One line on a terminal that is overwritten as training goes on: step, loss, clips per second, time left.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <ostream>
#include <string>

namespace modelgrow::inline v0 {

/// "2:05:09", "5:09" from seconds.
inline std::string clock_time(double seconds) {
  const auto s = std::int64_t(std::llround(seconds));
  char text[32];
  if (s >= 3600)
    std::snprintf(text, sizeof text, "%lld:%02d:%02d", static_cast<long long>(s / 3600), int(s / 60 % 60), int(s % 60));
  else
    std::snprintf(text, sizeof text, "%d:%02d", int(s / 60), int(s % 60));
  return text;
}

/// Writes the line to a stream; the caller decides whether that is a terminal.
class ProgressLine {
 public:
  ProgressLine(std::ostream& out, std::int64_t total_steps, std::int64_t clips_per_step)
      : out_(out), total_(total_steps), clips_(clips_per_step) {}
  ~ProgressLine() {
    if (width_ > 0) out_ << '\n' << std::flush;
  }
  ProgressLine(const ProgressLine&) = delete;

  /// After `step` steps (of total_steps) of a run, the last of which took `seconds` and had this loss.
  /// The speed and the loss shown are running means.
  void update(std::int64_t step, double loss, double seconds) {
    seconds_ = width_ ? 0.9 * seconds_ + 0.1 * seconds : seconds;
    loss_ = width_ ? 0.98 * loss_ + 0.02 * loss : loss;
    char text[160];
    std::snprintf(text, sizeof text, "step %lld/%lld  loss %.4f  %.3g clips/s  %s left", static_cast<long long>(step),
                  static_cast<long long>(total_), loss_, double(clips_) / seconds_,
                  clock_time(double(total_ - step) * seconds_).c_str());
    std::string line = text;
    const std::size_t width = line.size();
    if (width < width_) line.append(width_ - width, ' ');
    out_ << '\r' << line << std::flush;
    width_ = width;
  }

 private:
  std::ostream& out_;
  std::int64_t total_, clips_;
  double seconds_ = 0.0, loss_ = 0.0;
  std::size_t width_ = 0;
};

}  // namespace modelgrow::inline v0
