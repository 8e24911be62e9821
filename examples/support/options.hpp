// SPDX-License-Identifier: MIT
// Command-line options that several of the programs have.
#pragma once
#include <CLI/CLI.hpp>

#include <modelgrow/data/augment.hpp>

#include "clip_data.hpp"
#include "growth_options.hpp"

namespace example {

/// --clips, --digits or --shapes: archives, or moving digits or shapes instead.
inline void add_options(CLI::App& app, ClipSource& source) {
  CLI::Option* clips = app.add_option("--clips", source.archives, "WebDataset archives of animated WebP and captions")
                           ->capture_default_str()
                           ->each([&source](const std::string&) { source.digits = 0, source.shapes = 0; });
  CLI::Option* digits =
      app.add_option("--digits", source.digits, "so many grey clips of moving digits instead of archives")
          ->check(CLI::Range(0, 10'000'000))
          ->capture_default_str()
          ->each([&source](const std::string&) { source.shapes = 0; })
          ->excludes(clips);
  app.add_option("--shapes", source.shapes, "endless clips of one to so many moving shapes instead of archives")
      ->check(CLI::Range(1, 3))
      ->excludes(clips)
      ->excludes(digits);
  app.add_flag_callback(
      "--bounce", [&source] { source.edge = mg::Edge::bounce; },
      "digits turn back at the edges; otherwise they come in again on the other side");
}

/// --mirror, --shift and --roll: what is done to clips at random.
inline void add_options(CLI::App& app, mg::Augmentation& how) {
  app.add_option("--mirror", how.mirror, "probability of mirroring a clip")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--shift", how.shift, "shift clips by up to so many pixels")
      ->check(CLI::Range(0, 1'000))
      ->capture_default_str();
  app.add_option("--roll", how.roll, "probability of beginning a clip at another frame")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
}

/// What growth reads, writes and makes wider.
inline void add_options(CLI::App& app, GrowthOptions& o) {
  app.add_option("--base", o.base,
                 "pipeline folder of the pretrained model; another one trains on animated emoji, unless --clips, "
                 "--digits or --shapes say otherwise")
      ->capture_default_str()
      ->each([&o](const std::string&) { o.clips.shapes = 0; });
  add_options(app, o.clips);
  CLI::Option* emoji = app.add_flag_callback(
      "--emoji",
      [&o] {
        o.base = "examples/data/base";
        o.clips = {};
      },
      "animated emoji in place of three moving shapes, and the base that was trained on them");
  for (const char* other : {"--base", "--clips", "--digits", "--shapes"}) emoji->excludes(app.get_option(other));
  app.add_option("--out", o.out, "where the grown model and all else that is written go")->capture_default_str();
  app.add_option("--ffn", o.ffn,
                 "width of the grown MLPs (default: half as wide again; for moving shapes as they are)");
  app.add_option("--seed", o.seed, "seed of everything random")->capture_default_str();
  app.add_flag("--brief", o.brief, "leave out the plan, tensor by tensor");
}

}  // namespace example
