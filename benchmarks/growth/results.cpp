// SPDX-License-Identifier: MIT
// Results gathered, written and read.
#include "results.hpp"

#include <algorithm>
#include <sstream>
#include <tuple>

#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/train/checkpointing.hpp>

namespace growth {

namespace {

/// The lines of a JSONL file.
std::vector<Json> read_lines(const std::filesystem::path& path) {
  std::vector<Json> lines;
  std::istringstream in(mg::detail::read_file(path));
  for (std::string line; std::getline(in, line);)
    lines.push_back(mg::detail::parse_json(line, path.string() + ", line " + std::to_string(lines.size() + 1)));
  return lines;
}

Point point_of(const Json& record, double flops_before) {
  Point p{
      .step = record.at("step"), .flops = flops_before + record.at("flops").get<double>(), .loss = record.at("loss")};
  const auto read = [&](const char* key, std::map<std::string, double>& values) {
    if (record.contains(key))
      for (const auto& [name, value] : record.at(key).items()) values[name] = value;
  };
  read("judged", p.judged);
  read("swap", p.swap);
  p.sampling_seconds = record.value("sampling_seconds", 0.0);
  if (record.contains("loss_reworded")) p.reworded = record.at("loss_reworded");
  return p;
}

Json to_json(const Point& p) {
  Json j{{"step", p.step}, {"flops", p.flops}, {"loss", p.loss}};
  if (!p.judged.empty()) j["judged"] = p.judged;
  if (!p.swap.empty()) j["swap"] = p.swap;
  if (p.reworded) j["loss_reworded"] = *p.reworded;
  if (p.sampling_seconds > 0) j["sampling_seconds"] = p.sampling_seconds;
  return j;
}

}  // namespace

std::filesystem::path file_of(const Run& run, const std::filesystem::path& folder) {
  std::string name;
  for (const char c : run.arm) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '-';
  return folder / "runs" / (name + "." + std::to_string(run.seed) + ".jsonl");
}

bool finished(const Run& run, const Cache& cache) {
  return std::ranges::all_of(run.chain, [&](const Link& l) { return cache.done(l.key).has_value(); });
}

Result result_of(const Run& run, const Cache& cache) {
  Result r{.experiment = run.experiment,
           .arm = run.arm,
           .what = run.what,
           .against = run.against,
           .place = run.place,
           .seed = run.seed,
           .key = run.key()};
  for (std::size_t i = 0; i < run.chain.size(); ++i) {
    const std::string& key = run.chain[i].key;
    const auto done = cache.done(key);
    if (!done) throw mg::format_error(run.label() + ": segment " + key + " is not finished");
    if (i < run.before) {
      r.flops_before += done->flops;
      continue;
    }
    for (const Json& record : read_lines(cache.log(key)))
      if (record.contains("loss")) r.points.push_back(point_of(record, r.flops));
    r.flops += done->flops;
    r.seconds += done->seconds;
    r.measuring_seconds += done->measuring_seconds;
    r.peak_mb = std::max(r.peak_mb, done->peak_mb);
    r.parameters = done->parameters;
  }
  return r;
}

bool has_result(const Run& run, const std::filesystem::path& folder) {
  const auto path = file_of(run, folder);
  return std::filesystem::exists(path) && read_result(path).key == run.key();
}

void write_result(const Result& r, const std::filesystem::path& path) {
  std::string text = Json{{"experiment", r.experiment}, {"arm", r.arm},   {"what", r.what}, {"against", r.against},
                          {"place", r.place},           {"seed", r.seed}, {"key", r.key}}
                         .dump() +
                     "\n";
  for (const Point& p : r.points) text += to_json(p).dump() + "\n";
  text += Json{{"parameters", r.parameters},
               {"flops", r.flops},
               {"flops_before", r.flops_before},
               {"seconds", r.seconds},
               {"measuring_seconds", r.measuring_seconds},
               {"peak_mb", r.peak_mb}}
              .dump() +
          "\n";
  mg::detail::make_directory(path.parent_path());
  mg::detail::write_file(path, text);
}

Result read_result(const std::filesystem::path& path) {
  constexpr const char* remedy = "; remove it, and run the experiment again";
  try {
    const auto lines = read_lines(path);
    if (lines.size() < 3)
      throw mg::format_error(path.string() + ": " + std::to_string(lines.size()) +
                             " lines; a result has one that names it, its measurements, and one of totals");
    const Json &head = lines.front(), &totals = lines.back();
    Result r{.experiment = head.at("experiment"),
             .arm = head.at("arm"),
             .what = head.at("what"),
             .against = head.at("against"),
             .place = head.at("place"),
             .seed = head.at("seed"),
             .key = head.value("key", ""),
             .parameters = totals.at("parameters"),
             .flops = totals.at("flops"),
             .flops_before = totals.at("flops_before"),
             .seconds = totals.at("seconds"),
             .measuring_seconds = totals.at("measuring_seconds"),
             .peak_mb = totals.at("peak_mb")};
    for (std::size_t i = 1; i + 1 < lines.size(); ++i) r.points.push_back(point_of(lines[i], 0));
    return r;
  } catch (const Json::exception& e) {
    throw mg::format_error(path.string() + ": " + e.what() + remedy);
  } catch (const mg::format_error& e) {
    throw mg::format_error(e.what() + std::string(remedy));
  }
}

std::vector<Result> read_results(const std::filesystem::path& folder) {
  std::vector<Result> results;
  if (std::filesystem::is_directory(folder / "runs"))
    for (const auto& entry : std::filesystem::directory_iterator(folder / "runs"))
      if (entry.path().extension() == ".jsonl") results.push_back(read_result(entry.path()));
  std::ranges::sort(
      results, [](const Result& a, const Result& b) { return std::tie(a.place, a.seed) < std::tie(b.place, b.seed); });
  return results;
}

}  // namespace growth
