// SPDX-License-Identifier: MIT
// What a run measured, as one JSONL file: a line that says which run it is, a line for each measurement, with
// operations counted from the end of the base, and a line of totals. Tables and pictures come from these files alone.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cache.hpp"
#include "experiment.hpp"

namespace growth {

/// A measurement; `judged` holds the mean mark of each exam where samples were judged, `swap` how much the loss rises
/// when words of a class are exchanged, where that was tried.
struct Point {
  std::int64_t step = 0;
  double flops = 0, loss = 0;
  std::map<std::string, double> judged = {}, swap = {};
  double sampling_seconds = 0;          // of a clip, where some were sampled
  std::optional<double> reworded = {};  // the loss with captions in words of no training, where that was tried
};

/// A finished run, as it stands in its file.
struct Result {
  std::string experiment = {}, arm = {}, what = {}, against = {};
  std::int64_t place = 0;
  std::uint64_t seed = 0;
  std::string key = {};  // of the run
  std::vector<Point> points = {};
  std::int64_t parameters = 0;
  double flops = 0, flops_before = 0;  // of the arm, of its base
  double seconds = 0, measuring_seconds = 0, peak_mb = 0;

  const Point& last() const { return points.back(); }
};

/// Where an experiment puts the file of a run.
std::filesystem::path file_of(const Run& run, const std::filesystem::path& folder);

/// Whether every segment is done.
bool finished(const Run& run, const Cache& cache);
/// Gathers the logs of the segments. Throws io_error, and format_error when one of them is not finished.
Result result_of(const Run& run, const Cache& cache);

/// Whether the folder has the result of just this run.
bool has_result(const Run& run, const std::filesystem::path& folder);

void write_result(const Result& r, const std::filesystem::path& path);
/// Throws io_error, format_error.
Result read_result(const std::filesystem::path& path);
/// All of a folder, by arm and seed.
std::vector<Result> read_results(const std::filesystem::path& folder);

}  // namespace growth
