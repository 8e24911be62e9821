// SPDX-License-Identifier: MIT
// Folders of segments.
#include "cache.hpp"

#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/train/checkpointing.hpp>

namespace growth {

namespace {
Json read_json(const std::filesystem::path& path) {
  return mg::detail::parse_json(mg::detail::read_file(path), path.string());
}
Json words_of_segment(Json j) {
  j.erase("where");
  return j;
}
}  // namespace

void Cache::declare(const Segment& s) const {
  const Segment n = s.normalised();
  const auto path = folder(n.key()) / "segment.json";
  if (std::filesystem::exists(path) && words_of_segment(read_json(path)) != words_of_segment(to_json(n)))
    throw mg::format_error(path.string() + ": describes another run than its name stands for; remove its folder");
  mg::detail::make_directory(path.parent_path());
  mg::detail::write_file(path, to_json(n).dump(2) + "\n");
}

Segment Cache::read(const std::string& key) const {
  const auto path = folder(key) / "segment.json";
  return segment_from(read_json(path), path.string());
}

std::optional<Done> Cache::done(const std::string& key) const {
  const auto path = folder(key) / "done.json";
  if (!std::filesystem::exists(path)) return std::nullopt;
  const Json j = read_json(path);
  return Done{.step = j.at("step"),
              .parameters = j.at("parameters"),
              .flops = j.at("flops"),
              .seconds = j.at("seconds"),
              .measuring_seconds = j.at("measuring_seconds"),
              .peak_mb = j.at("peak_mb")};
}

void Cache::finish(const std::string& key, const Done& d) const {
  const Json j{{"step", d.step},
               {"parameters", d.parameters},
               {"flops", d.flops},
               {"seconds", d.seconds},
               {"measuring_seconds", d.measuring_seconds},
               {"peak_mb", d.peak_mb}};
  mg::detail::write_file(folder(key) / "done.json", j.dump(2) + "\n");
}

std::int64_t Cache::saved_step(const std::string& key) const {
  return std::filesystem::exists(run(key) / "trainer.json") ? mg::read_run_state(run(key)).step : 0;
}

}  // namespace growth
