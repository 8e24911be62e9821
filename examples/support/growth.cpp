// SPDX-License-Identifier: MIT
// Load, plan, write, check.
#include "growth.hpp"

#include <algorithm>
#include <chrono>
#include <iostream>

#include <modelgrow/grafts.hpp>

namespace fs = std::filesystem;

namespace example {

namespace {
double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// What the plan does: more blocks, wider MLPs where the clips are not moving shapes (docs/growth-study.md), and where
/// a clip has more than one patch in time, eyes for motion.
mg::Plan plan_of(const mg::Schema& base, const mg::StditConfig& video, const GrowthOptions& o) {
  const std::int64_t ffn = base.space("ffn").space.size, usual = o.clips.shapes > 0 ? ffn : ffn * 3 / 2;
  mg::Plan plan = mg::plan(base, mg::InsertBlocks{.every = std::min<std::int64_t>(2, video.depth)});
  if (const std::int64_t to = o.ffn > 0 ? o.ffn : usual; to != ffn)
    plan.apply(mg::Net2Wider{.space = "ffn", .to = to, .noise_db = 20, .seed = o.seed});
  if (video.input_size[0] > video.patch_size[0]) plan.apply(mg::Graft<mg::grafts::TemporalConv>{});
  return plan;
}
}  // namespace

Growth grow_and_check(const GrowthOptions& o, mg::Ranks& ranks) {
  auto begin = std::chrono::steady_clock::now();
  const auto in = mg::Checkpoint::open(o.base / "transformer");
  const mg::Schema schema = mg::schema(in);  // refuses what is no video transformer before anything is loaded
  Model base = load_pipeline(o.base, Weights::averaged);
  ClipData data = clips_for(base.transformer.config, o.clips);
  const double seconds_load = seconds_since(begin);
  std::cout << "1. loaded " << o.base.string() << ": " << mg::count_parameters(base.transformer)
            << " parameters, trained on " << (data.train.endless ? "endless" : std::to_string(data.train.count()))
            << " captioned clips\n\n";

  begin = std::chrono::steady_clock::now();
  const mg::Plan plan = plan_of(schema, base.transformer.config, o);
  const double seconds_plan = seconds_since(begin);
  if (o.brief)
    std::cout << "2. planned: " << to_string(plan.certificate()) << "\n\n";
  else
    std::cout << "2. the plan (dry run)\n" << plan << "\n";

  begin = std::chrono::steady_clock::now();
  const fs::path path = o.grown();
  ranks.together([&] {
    if (!ranks.first()) return;
    fs::remove_all(path);
    fs::create_directories(path);
  });
  mg::Report written = plan.write(in, path / "transformer", {.ranks = &ranks});
  ranks.together([&] {
    if (ranks.first()) copy_text_encoder(o.base, path);
  });
  const double seconds_write = seconds_since(begin);
  std::cout << "3. written to " << path.string() << "\n" << written << "\n";

  Model grown = load_pipeline(path, Weights::averaged);
  const mg::ForwardCheck check = FlowTask(data, 8, o.seed).compare(plan, base, grown);
  std::cout << "4. " << check << "\n" << std::endl;
  check.require();
  return {.base = std::move(base),
          .grown = std::move(grown),
          .data = std::move(data),
          .written = std::move(written),
          .check = check,
          .seconds_load = seconds_load,
          .seconds_plan = seconds_plan,
          .seconds_write = seconds_write};
}

}  // namespace example
