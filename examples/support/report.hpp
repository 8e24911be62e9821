// SPDX-License-Identifier: MIT
// What the main job found, as report.json for programs and report.md for people.
#pragma once
#include <cstdio>
#include <map>
#include <string>

#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/detail/json.hpp>

#include "run.hpp"

namespace example {

/// Results of the main job.
struct JobReport {
  std::int64_t parameters_base = 0, parameters_grown = 0;
  double preservation_abs = 0, preservation_rel = 0, file_residual = 0;
  double base_start = 0, grown_start = 0;
  RunResult base, grown, scratch;
  double flops_base = 0, flops_grown = 0;  // of a training step
  double seconds_load = 0, seconds_plan = 0, seconds_write = 0, seconds_train = 0;
  double peak_rss_mb = 0;
  std::string certificate;
  std::vector<std::string> captions;

  mg::detail::json json() const {
    return {{"parameters", {{"base", parameters_base}, {"grown", parameters_grown}}},
            {"certificate", certificate},
            {"preservation", {{"max_abs", preservation_abs}, {"max_rel", preservation_rel}, {"dtype", "F32"}}},
            {"file_check", {{"max_residual", file_residual}}},
            {"val_loss",
             {{"base_start", base_start},
              {"grown_start", grown_start},
              {"base_continued", base.last()},
              {"grown_continued", grown.last()},
              {"scratch", scratch.last()}}},
            {"flops", {{"base", flops_base}, {"grown", flops_grown}}},
            {"tflop_spent", grown.curve.back().tflop},
            {"seconds",
             {{"load", seconds_load}, {"plan", seconds_plan}, {"write", seconds_write}, {"train", seconds_train}}},
            {"peak_rss_mb", peak_rss_mb},
            {"captions", captions}};
  }

  std::string markdown() const {
    char text[2048];
    std::snprintf(
        text, sizeof text,
        "# Growing a pretrained text-to-video model\n\n"
        "| | base | grown | fresh, size of the grown |\n|---|---|---|---|\n"
        "| parameters | %lld | %lld | %lld |\n"
        "| GFLOP a training step | %.1f | %.1f | %.1f |\n"
        "| steps (equal compute, %.1f TFLOP) | %lld | %lld | %lld |\n"
        "| validation loss before | %.5f | %.5f | %.5f |\n"
        "| validation loss after | %.5f | %.5f | %.5f |\n\n"
        "Growth: %s. File check: largest residual %.2g. Forward check: output differs by %.2g of its largest value.\n\n"
        "Load %.2f s, plan %.2f s, write and check %.2f s, train %.0f s; peak memory %.0f MB.\n\n"
        "![validation loss](curves.png)\n\n![samples](samples.png)\n",
        static_cast<long long>(parameters_base), static_cast<long long>(parameters_grown),
        static_cast<long long>(parameters_grown), flops_base * 1e-9, flops_grown * 1e-9, flops_grown * 1e-9,
        grown.curve.back().tflop, static_cast<long long>(base.curve.back().step),
        static_cast<long long>(grown.curve.back().step), static_cast<long long>(scratch.curve.back().step), base_start,
        grown_start, scratch.curve.front().validation_loss, base.last(), grown.last(), scratch.last(),
        certificate.c_str(), file_residual, preservation_rel, seconds_load, seconds_plan, seconds_write, seconds_train,
        peak_rss_mb);
    return text;
  }
};

}  // namespace example
