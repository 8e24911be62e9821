// SPDX-License-Identifier: MIT
// What the main job found, as report.json for programs and report.md for people.
#pragma once
#include <cstdio>
#include <string>
#include <vector>

#include <modelgrow/data/shape_score.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/detail/json.hpp>

#include "run.hpp"

namespace example {

/// Results of the main job.
struct JobReport {
  std::int64_t parameters_base = 0, parameters_grown = 0;
  double preservation_abs = 0, preservation_rel = 0, file_residual = 0;
  double base_start = 0, grown_start = 0;
  RunResult base, grown;
  std::vector<mg::ShapeScore> judged_start, judged_base, judged_grown;  // of prompts of one object, of two, of three
  double flops_base = 0, flops_grown = 0;                               // of a training step
  double seconds_load = 0, seconds_plan = 0, seconds_write = 0, seconds_train = 0;
  double peak_rss_mb = 0;
  std::string certificate;
  std::vector<std::string> captions;

  mg::detail::json json() const {
    mg::detail::json j{
        {"parameters", {{"base", parameters_base}, {"grown", parameters_grown}}},
        {"certificate", certificate},
        {"preservation", {{"max_abs", preservation_abs}, {"max_rel", preservation_rel}, {"dtype", "F32"}}},
        {"file_check", {{"max_residual", file_residual}}},
        {"val_loss",
         {{"base_start", base_start},
          {"grown_start", grown_start},
          {"base_continued", base.last()},
          {"grown_continued", grown.last()}}},
        {"flops", {{"base", flops_base}, {"grown", flops_grown}}},
        {"tflop_spent", grown.curve.back().tflop},
        {"seconds",
         {{"load", seconds_load}, {"plan", seconds_plan}, {"write", seconds_write}, {"train", seconds_train}}},
        {"peak_rss_mb", peak_rss_mb},
        {"captions", captions}};
    const auto shares = [](const mg::ShapeScore& s) {
      return mg::detail::json{{"words", s.words()}, {"objects", s.whole_objects()}};
    };
    for (std::size_t i = 0; i < judged_start.size(); ++i)
      j["right"].push_back({{"prompts_of", i + 1},
                            {"base_start", shares(judged_start[i])},
                            {"base_continued", shares(judged_base[i])},
                            {"grown_continued", shares(judged_grown[i])}});
    return j;
  }

  std::string markdown() const {
    char text[2048];
    std::snprintf(text, sizeof text,
                  "# Growing a pretrained text-to-video model\n\n"
                  "| | base | base, trained on | grown, trained on |\n|---|---|---|---|\n"
                  "| parameters | %lld | %lld | %lld |\n"
                  "| GFLOP a training step | | %.1f | %.1f |\n"
                  "| steps (equal compute, %.1f TFLOP) | | %lld | %lld |\n"
                  "| validation loss | %.5f | %.5f | %.5f |\n",
                  static_cast<long long>(parameters_base), static_cast<long long>(parameters_base),
                  static_cast<long long>(parameters_grown), flops_base * 1e-9, flops_grown * 1e-9,
                  grown.curve.back().tflop, static_cast<long long>(base.curve.back().step),
                  static_cast<long long>(grown.curve.back().step), base_start, base.last(), grown.last());
    std::string all = text;
    for (std::size_t i = 0; i < judged_start.size(); ++i) {
      const mg::ShapeScore &start = judged_start[i], &old = judged_base[i], &larger = judged_grown[i];
      std::snprintf(text, sizeof text,
                    "| prompts of %zu object%s: words right | %.0f %% | %.0f %% | %.0f %% |\n"
                    "| prompts of %zu object%s: objects right in every word | %.0f %% | %.0f %% | %.0f %% |\n",
                    i + 1, i ? "s" : "", 100 * start.words(), 100 * old.words(), 100 * larger.words(), i + 1,
                    i ? "s" : "", 100 * start.whole_objects(), 100 * old.whole_objects(), 100 * larger.whole_objects());
      all += text;
    }
    std::snprintf(
        text, sizeof text,
        "\nGrowth: %s. File check: largest residual %.2g. Forward check: output differs by %.2g of its largest value, "
        "validation loss before training %.5f.\n\n"
        "Load %.2f s, plan %.2f s, write and check %.2f s, train %.0f s; peak memory %.0f MB.\n\n"
        "![validation loss](curves.png)\n\n![samples](samples.png)\n",
        certificate.c_str(), file_residual, preservation_rel, grown_start, seconds_load, seconds_plan, seconds_write,
        seconds_train, peak_rss_mb);
    return all + text;
  }
};

}  // namespace example
