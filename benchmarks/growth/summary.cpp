// SPDX-License-Identifier: MIT
// Tables of results.
#include "summary.hpp"

#include <algorithm>
#include <cstdio>
#include <set>

namespace growth {

namespace {

template <class... Values>
std::string print(const char* format, Values... values) {
  char text[512];
  std::snprintf(text, sizeof text, format, values...);
  return text;
}

/// A value of a CSV file, quoted where it has to be.
std::string csv_word(const std::string& text) {
  if (text.find_first_of(",\"\n") == text.npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

/// "0.12345 ± 0.00012".
std::string with_interval(const Interval& i, int digits) {
  if (i.count == 0) return "";
  return i.count < 2 ? print("%.*f", digits, i.mean) : print("%.*f ± %.*f", digits, i.mean, digits, i.half);
}

/// The difference of an arm from the one compared with, and whether it is one.
std::string difference(const ArmResults& arm, const ArmResults& other) {
  if (arm.name == other.name || arm.name == base_name) return "";
  const Interval d = paired_difference(arm.losses(), other.losses());
  if (d.count == 0) return "no common seed";
  const double share = 100 * d.mean / interval_of(other.losses()).mean;
  const std::string verdict = d.count < 2         ? "one seed"
                              : d.excludes_zero() ? (d.mean < 0 ? "**lower**" : "**higher**")
                                                  : "not told apart";
  return print("%s (%+.2f %%), %s", with_interval(d, 5).c_str(), share, verdict.c_str());
}

/// A mean over seeds with its interval, in bold where it is told apart from that of the arm compared with.
std::string told_apart(const BySeed& values, const BySeed& others, int digits) {
  const std::string text = with_interval(interval_of(values), digits);
  return paired_difference(values, others).excludes_zero() ? "**" + text + "**" : text;
}

/// Compute that an arm takes less than another: in all, and until it is where the other ends.
std::string saved(const ArmResults& arm, const ArmResults& other) {
  if (arm.name == other.name || arm.name == base_name) return "";
  const double whole = other.mean_flops();
  const auto reached = flops_to(arm, interval_of(other.losses()).mean);
  const double in_all = 100 * (1 - arm.mean_flops() / whole);  // of equal compute 0, to a step
  return print("%.1f %%, ", std::abs(in_all) < 0.05 ? 0.0 : in_all) +
         (reached ? print("%.1f %%", 100 * (1 - *reached / whole)) : "not reached");
}

/// A table of what each arm gets from each of some measures, told apart from the arm compared with.
std::string marks_table(const std::vector<ArmResults>& arms, const std::string& against,
                        const std::vector<std::string>& exams) {
  const auto other = std::ranges::find(arms, against, &ArmResults::name);
  std::string text = "\nMarks of samples, **bold** where told apart from those of '" + against +
                     "': the share of objects of which everything is right, and of all their words.\n\n| arm |";
  for (const auto& exam : exams) text += " " + exam + " |";
  text += "\n|---|";
  for (std::size_t i = 0; i < exams.size(); ++i) text += "---|";
  for (const auto& arm : arms) {
    text += "\n| " + arm.name + " |";
    for (const auto& exam : exams)
      text += " " + told_apart(arm.marks(exam), other == arms.end() ? BySeed() : other->marks(exam), 3) + " |";
  }
  return text + "\n";
}

/// Which words each arm reads.
std::string swap_table(const std::vector<ArmResults>& arms) {
  const auto& words = arms.front().runs.front().last().swap;
  if (words.empty()) return "";
  std::string text = "\nRise of the loss when the words of a class are exchanged; none: they are not read.\n\n| arm |";
  for (const auto& [name, rise] : words) text += " " + name + " |";
  text += "\n|---|";
  for (std::size_t i = 0; i < words.size(); ++i) text += "---|";
  for (const auto& arm : arms) {
    text += "\n| " + arm.name + " |";
    for (const auto& [name, rise] : words) {
      double mean = 0;
      for (const auto& r : arm.runs)
        if (const auto it = r.last().swap.find(name); it != r.last().swap.end())
          mean += it->second / double(arm.runs.size());
      text += print(" %+.2f %% |", 100 * mean);
    }
  }
  return text + "\n";
}

/// The value at x of a curve through points, which must span it.
double between(const std::vector<Point>& points, double flops) {
  std::size_t i = 1;
  while (i + 1 < points.size() && points[i].flops < flops) ++i;
  const Point &a = points[i - 1], &b = points[i];
  return b.flops > a.flops ? a.loss + (b.loss - a.loss) * (flops - a.flops) / (b.flops - a.flops) : b.loss;
}

}  // namespace

BySeed ArmResults::losses() const {
  BySeed list;
  for (const auto& r : runs) list[r.seed] = r.last().loss;
  return list;
}

BySeed ArmResults::marks(const std::string& exam) const {
  BySeed list;
  for (const auto& r : runs)
    if (const auto mark = r.last().judged.find(exam); mark != r.last().judged.end()) list[r.seed] = mark->second;
  return list;
}

BySeed ArmResults::reworded() const {
  BySeed list;
  for (const auto& r : runs)
    if (r.last().reworded) list[r.seed] = *r.last().reworded;
  return list;
}

std::optional<double> ArmResults::loss_at(double flops) const {
  double sum = 0;
  for (const auto& r : runs) {
    if (r.points.size() < 2 || flops < r.points.front().flops || flops > r.last().flops) return std::nullopt;
    sum += between(r.points, flops);
  }
  return sum / double(runs.size());
}

double ArmResults::mean_flops() const {
  double sum = 0;
  for (const auto& r : runs) sum += r.flops;
  return sum / double(runs.size());
}

std::vector<ArmResults> by_arm(const std::vector<Result>& results) {
  std::vector<ArmResults> arms;
  for (const auto& r : results) {
    auto it = std::ranges::find(arms, r.arm, &ArmResults::name);
    if (it == arms.end()) it = arms.insert(it, ArmResults{.name = r.arm, .what = r.what});
    it->runs.push_back(r);
  }
  return arms;
}

std::vector<std::string> exams_of(const std::vector<Result>& results) {
  std::set<std::string> names;
  for (const auto& r : results)
    for (const auto& p : r.points)
      for (const auto& [exam, mark] : p.judged) names.insert(exam);
  return {names.begin(), names.end()};
}

std::optional<double> flops_to(const ArmResults& arm, double loss) {
  if (!(interval_of(arm.losses()).mean <= loss)) return std::nullopt;
  const double end = std::ranges::min(arm.runs, {}, [](const Result& r) { return r.last().flops; }).last().flops;
  constexpr int parts = 2000;
  double reached = end;
  for (int i = parts; i >= 0; --i) {
    const auto there = arm.loss_at(end * i / parts);
    if (there && *there > loss) break;
    if (there) reached = end * i / parts;
  }
  return reached;
}

std::string summary_csv(const std::vector<Result>& results) {
  const auto exams = exams_of(results);
  std::string text = "experiment,arm,seed,parameters,steps,tflop,tflop_before,loss_before,loss";
  for (const auto& exam : exams) text += "," + csv_word("judged " + exam);
  text += ",training_s,measuring_s,peak_mb,sampling_ms\n";
  for (const auto& r : results) {
    text += csv_word(r.experiment) + "," + csv_word(r.arm) +
            print(",%llu,%lld,%lld,%.5f,%.5f,%.6f,%.6f", static_cast<unsigned long long>(r.seed),
                  static_cast<long long>(r.parameters), static_cast<long long>(r.last().step), r.flops * 1e-12,
                  r.flops_before * 1e-12, r.points.front().loss, r.last().loss);
    for (const auto& exam : exams) {
      const auto mark = r.last().judged.find(exam);
      text += mark == r.last().judged.end() ? "," : print(",%.4f", mark->second);
    }
    text +=
        print(",%.1f,%.1f,%.0f,%.1f\n", r.seconds, r.measuring_seconds, r.peak_mb, 1000 * r.last().sampling_seconds);
  }
  return text;
}

std::string summary_markdown(const std::vector<Result>& results, const std::string& title, const std::string& command) {
  const auto arms = by_arm(results);
  const auto exams = exams_of(results);
  const bool reworded = std::ranges::any_of(arms, [](const ArmResults& a) { return !a.reworded().empty(); });
  const std::string against = results.front().against;
  const auto other = std::ranges::find(arms, against, &ArmResults::name);
  std::string text =
      "# " + title + "\n\nWritten by `" + command +
      "`. Validation loss at the end of training, mean and 95 % interval over seeds (Student's t); " +
      "differences from '" + against +
      "' are paired by seed, and **lower** or **higher** where their interval excludes 0. Compute saved: " +
      "in all, and until the loss is where '" + against + "' ends.\n\n| arm | | seeds | parameters | " +
      "TFLOP | loss | from '" + against + "' | compute saved |" + (reworded ? " loss, reworded |" : "");
  text += "\n|---|---|---|---|---|---|---|---|" + std::string(reworded ? "---|" : "") + "\n";
  for (const auto& arm : arms) {
    text += "| " + arm.name + " | " + arm.what +
            print(" | %d | %lld | %.4g | ", int(arm.runs.size()), static_cast<long long>(arm.runs.front().parameters),
                  arm.mean_flops() * 1e-12) +
            with_interval(interval_of(arm.losses()), 5) + " | " + (other == arms.end() ? "" : difference(arm, *other)) +
            " | " + (other == arms.end() ? "" : saved(arm, *other)) + " |";
    if (reworded)
      text += " " + told_apart(arm.reworded(), other == arms.end() ? BySeed() : other->reworded(), 4) + " |";
    text += "\n";
  }
  text += "\n![loss](loss.png)\n";
  if (other != arms.end() && arms.size() > 1) text += "\n![compute saved](saved.png)\n";
  const auto more_than_once = [](const Result& r) {
    return std::ranges::count_if(r.points, [](const Point& p) { return !p.judged.empty(); }) > 1;
  };
  if (std::ranges::any_of(results, more_than_once)) text += "\n![judged](judged.png)\n";
  if (!exams.empty()) text += marks_table(arms, against, exams);
  text +=
      "\n| arm | memory of the process, MB | a sampled clip, ms | training, s | measuring, s "
      "|\n|---|---|---|---|---|\n";
  double hours = 0;
  for (const auto& arm : arms) {
    double peak = 0, sampling = 0, training = 0, measuring = 0;
    const double n = double(arm.runs.size());
    for (const auto& r : arm.runs) {
      peak = std::max(peak, r.peak_mb);
      sampling += r.last().sampling_seconds / n;
      training += r.seconds / n;
      measuring += r.measuring_seconds / n;
      hours += (r.seconds + r.measuring_seconds) / 3600;
    }
    text += "| " + arm.name + print(" | %.0f | %.1f | %.1f | %.1f |\n", peak, 1000 * sampling, training, measuring);
  }
  text += swap_table(arms);
  const double before = std::ranges::max(results, {}, &Result::flops_before).flops_before;
  text += print("\n%d runs, %.2f core-hours", int(results.size()), hours);
  if (before > 0) text += print("; the base took %.2f TFLOP before", before * 1e-12);
  return text + ".\n";
}

}  // namespace growth
