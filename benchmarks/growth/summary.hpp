// SPDX-License-Identifier: MIT
// Results as tables: a row a run for programs, a row an arm for people.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "results.hpp"
#include "statistics.hpp"

namespace growth {

/// The results of one arm, by seed.
struct ArmResults {
  std::string name = {}, what = {};
  std::vector<Result> runs = {};

  BySeed losses() const;
  BySeed marks(const std::string& exam) const;
  /// Losses at the end with captions in other words, of the runs that tried them.
  BySeed reworded() const;
  /// The mean loss over seeds after so many operations, linear between measurements; nothing outside of them.
  std::optional<double> loss_at(double flops) const;
  double mean_flops() const;
};

/// Arms in the order of the experiment.
std::vector<ArmResults> by_arm(const std::vector<Result>& results);
/// Exams that some run was judged by, in order of name.
std::vector<std::string> exams_of(const std::vector<Result>& results);

/// Operations after which the mean curve of an arm is at this loss or below for good; nothing when it ends above.
std::optional<double> flops_to(const ArmResults& arm, double loss);

/// One line a run.
std::string summary_csv(const std::vector<Result>& results);
/// Means, 95 % intervals, differences paired by seed from the arm that the experiment compares with.
std::string summary_markdown(const std::vector<Result>& results, const std::string& title, const std::string& command);

/// Writes summary.csv, summary.md and the pictures, of all arms or of some, into a folder. Throws io_error.
void write_summary(const std::vector<Result>& results, const std::filesystem::path& folder, const std::string& title,
                   const std::string& command, const std::vector<std::string>& pictured = {});

}  // namespace growth
