// SPDX-License-Identifier: MIT
// Results as pictures: loss and marks over compute, and the compute saved to each loss that the arm compared with comes
// through; bands are 95 % intervals.
#include <algorithm>

#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/media/plot.hpp>
#include <modelgrow/media/png.hpp>
#include <modelgrow/train/checkpointing.hpp>

#include "summary.hpp"

namespace growth {

namespace {

/// Mean and interval at the measurements that all seeds of an arm have; `value` gives a point's, or nothing.
template <class Value>
mg::Series curve(const ArmResults& arm, Value value) {
  mg::Series line{.name = arm.name};
  const auto& points = arm.runs.front().points;
  for (std::size_t i = 0; i < points.size(); ++i) {
    std::vector<double> values;
    double flops = 0;
    for (const auto& r : arm.runs)
      if (i < r.points.size())
        if (const std::optional<double> v = value(r.points[i])) {
          values.push_back(*v);
          flops += r.points[i].flops;
        }
    if (values.size() != arm.runs.size()) continue;
    const Interval interval = interval_of(values);
    line.x.push_back(flops / double(values.size()) * 1e-12);
    line.y.push_back(interval.mean);
    if (interval.count < 2) continue;
    line.low.push_back(interval.low());
    line.high.push_back(interval.high());
  }
  return line;
}

void draw(const std::filesystem::path& path, std::vector<mg::Series> lines, const mg::PlotOptions& options) {
  std::erase_if(lines, [](const mg::Series& s) { return s.x.size() < 2; });
  if (!lines.empty()) mg::write_png(path, mg::plot(lines, options));
}

/// Losses fall steeply at first: shows what comes after the first tenth of the longest run.
mg::Series late(mg::Series s, double from) {
  std::size_t drop = 0;
  while (drop + 2 < s.x.size() && s.x[drop] < from) ++drop;
  for (auto* values : {&s.x, &s.y, &s.low, &s.high})
    if (!values->empty()) values->erase(values->begin(), values->begin() + std::ptrdiff_t(drop));
  return s;
}

mg::Series saved(const ArmResults& arm, const ArmResults& other) {
  mg::Series line{.name = arm.name};
  constexpr int parts = 100;
  for (int i = parts / 10; i <= parts; ++i) {
    const double spent = other.mean_flops() * i / parts;
    const auto loss = other.loss_at(spent);
    const auto reached = loss ? flops_to(arm, *loss) : std::nullopt;
    if (!reached) continue;
    line.x.push_back(spent * 1e-12);
    line.y.push_back(100 * (1 - *reached / spent));
  }
  return line;
}

}  // namespace

void write_summary(const std::vector<Result>& results, const std::filesystem::path& folder, const std::string& title,
                   const std::string& command, const std::vector<std::string>& pictured) {
  if (results.empty()) return;
  mg::detail::make_directory(folder);
  mg::detail::write_file(folder / "summary.csv", summary_csv(results));
  mg::detail::write_file(folder / "summary.md", summary_markdown(results, title, command));
  const auto all = by_arm(results);
  const auto other = std::ranges::find(all, results.front().against, &ArmResults::name);
  auto arms = all;
  std::erase_if(arms, [&](const ArmResults& arm) {  // the base is on another axis: before the others
    return arm.name == base_name || (!pictured.empty() && std::ranges::find(pictured, arm.name) == pictured.end());
  });
  double longest = 0;
  for (const auto& arm : arms) longest = std::max(longest, arm.mean_flops() * 1e-12);
  std::vector<mg::Series> losses, marks, savings;
  for (const auto& arm : arms)
    losses.push_back(late(curve(arm, [](const Point& p) { return std::optional(p.loss); }), longest / 10));
  draw(folder / "loss.png", std::move(losses),
       {.title = title, .x_label = "TFLOP of training", .y_label = "validation loss"});
  for (const auto& exam : exams_of(results)) {
    if (exam.find(',') != exam.npos) continue;  // a variant of another; few curves can be told apart
    for (const auto& arm : arms) {
      const auto of_exam = [&](const Point& p) {
        const auto mark = p.judged.find(exam);
        return mark == p.judged.end() ? std::nullopt : std::optional(mark->second);
      };
      marks.push_back(curve(arm, of_exam));
      marks.back().name += ": " + exam;
    }
  }
  draw(folder / "judged.png", std::move(marks),
       {.title = title, .x_label = "TFLOP of training", .y_label = "share of the prompt that is right"});
  if (other == all.end()) return;
  for (const auto& arm : arms)
    if (arm.name != other->name) savings.push_back(saved(arm, *other));
  draw(folder / "saved.png", std::move(savings),
       {.title = title,
        .x_label = "TFLOP of '" + other->name + "' to a loss",
        .y_label = "compute saved to the same loss, %"});
}

}  // namespace growth
