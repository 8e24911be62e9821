// SPDX-License-Identifier: MIT
// The command line: experiments laid out, trained by processes, and turned into tables.
#include "program.hpp"

#include <CLI/CLI.hpp>
#include <iostream>
#include <set>
#include <thread>

#include <modelgrow/train/checkpointing.hpp>
#include <modelgrow/train/progress_line.hpp>

#include "content.hpp"
#include "processes.hpp"
#include "stop_signal.hpp"
#include "summary.hpp"

namespace fs = std::filesystem;

namespace growth {

namespace {

struct Options {
  std::string experiment = "smoke", device = {};
  fs::path out = {}, cache = "out/growth/cache";
  int jobs = 0, threads = 0;
  std::vector<std::string> only = {};
  std::vector<std::uint64_t> seeds = {};
  std::string rerun = {}, segment = {};
  bool smoke = false, dry_run = false, tables = false, phrases = false;
};

/// A name of a file beside this source, or a path.
fs::path path_of(const std::string& experiment) {
  const auto beside = fs::path(MODELGROW_SOURCE_DIR) / "benchmarks/growth" / (experiment + ".json");
  return fs::exists(experiment) || !fs::exists(beside) ? fs::path(experiment) : beside;
}

std::vector<std::string> names_of(const Experiment& e) {
  std::vector<std::string> names;
  for (const auto& arm : e.arms) names.push_back(arm.name);
  if (e.base && e.base->folder.empty()) names.emplace_back(base_name);
  return names;
}

/// Those of the runs that were asked for.
std::vector<Run> chosen(const Experiment& e, const Options& o) {
  for (const auto& name : o.only)
    if (const auto names = names_of(e); std::ranges::find(names, name) == names.end())
      throw mg::option_error("--only: there is no arm '" + name + "'" + mg::nearest_names(name, names));
  std::vector<Run> runs = lay_out(e, o.device);
  if (!o.only.empty())
    std::erase_if(runs, [&](const Run& r) { return std::ranges::find(o.only, r.arm) == o.only.end(); });
  return runs;
}

/// Those whose result is not known yet.
std::vector<Run> unknown(std::vector<Run> runs, const fs::path& out) {
  std::erase_if(runs, [&](const Run& r) { return has_result(r, out); });
  return runs;
}

/// Every segment of the runs once.
std::vector<Job> jobs_of(const std::vector<Run>& runs, const Cache& cache) {
  std::vector<Job> jobs;
  std::set<std::string> known;
  for (const Run& run : runs)
    for (std::size_t i = 0; i < run.chain.size(); ++i) {
      const Link& link = run.chain[i];
      if (!known.insert(link.key).second) continue;
      cache.declare(link.segment);
      const auto& s = link.segment;
      jobs.push_back({.key = link.key,
                      .after = i > 0 ? run.chain[i - 1].key : "",
                      .label = (i < run.before ? "base of " : "") + run.label() + ", steps " + std::to_string(s.from) +
                               " to " + std::to_string(s.to),
                      .flops = link.flops});
    }
  return jobs;
}

/// Operations a second of what the cache holds; two cores of 2026 where it holds nothing.
double measured_rate(const std::vector<Job>& jobs, const Cache& cache) {
  double flops = 0, seconds = 0;
  for (const Job& job : jobs)
    if (const auto done = cache.done(job.key)) flops += done->flops, seconds += done->seconds + done->measuring_seconds;
  return seconds > 0 ? flops / seconds : 2.5e10;
}

void print_dry_run(const std::vector<Run>& runs, const std::vector<Job>& jobs, const Cache& cache, int processes) {
  double left = 0;
  for (const Job& job : jobs) {
    const bool done = cache.done(job.key).has_value();
    std::printf("%s  %8.3f TFLOP  %-7s %s\n", job.key.c_str(), job.flops * 1e-12, done ? "done" : "to do",
                job.label.c_str());
    if (!done) left += job.flops;
  }
  std::printf("%zu runs in %zu segments; %.2f TFLOP to train, about %s in %d processes\n", runs.size(), jobs.size(),
              left * 1e-12, mg::clock_time(left / measured_rate(jobs, cache) / processes).c_str(), processes);
}

CommandOf command_of(const Options& o) {
  return [&](const std::string& key) {
    return std::vector<std::string>{fs::read_symlink("/proc/self/exe").string(), "--segment", key, "--cache",
                                    fs::absolute(o.cache).string()};
  };
}

/// Trains what is missing. Returns whether everything is there.
JobsReport train_all(const std::vector<Job>& jobs, const Cache& cache, const Options& o) {
  const StopSignal stop;
  return run_jobs(jobs, {.count = o.jobs, .threads = o.threads}, cache, command_of(o));
}

/// Repeats one run in a cache of its own, from nothing or from its base, and compares its end with that of its arm.
int repeat(const Experiment& e, Options o, const std::string& row) {
  const auto slash = row.rfind('/');
  const auto runs = lay_out(e, o.device);
  const auto run = std::ranges::find_if(runs, [&](const Run& r) {
    return slash != row.npos && r.arm == row.substr(0, slash) && std::to_string(r.seed) == row.substr(slash + 1);
  });
  if (run == runs.end())
    throw mg::option_error("--rerun: there is no run '" + row + "'; give arm/seed, as '" + runs.front().arm + "/" +
                           std::to_string(runs.front().seed) + "'");
  BySeed losses;
  for (const auto& r : read_results(o.out))
    if (r.arm == run->arm) losses[r.seed] = r.last().loss;
  if (losses.empty())
    throw mg::error(o.out.string() + " has no result of '" + run->arm + "': run the experiment first");
  const Cache known_segments(o.cache);
  o.cache = o.cache / ("rerun-" + checksum_of(row));
  const Cache cache(o.cache);
  mg::detail::make_directory(o.cache);
  for (std::size_t i = 0; i < run->before; ++i)
    if (const auto& key = run->chain[i].key; known_segments.done(key) && !fs::exists(cache.folder(key)))
      fs::create_directory_symlink(fs::absolute(known_segments.folder(key)), cache.folder(key));
  const auto report = train_all(jobs_of({*run}, cache), cache, o);
  if (report.interrupted) return StopSignal::exit_code;
  if (report.failed > 0) return 1;
  const double loss = result_of(*run, cache).last().loss;
  fs::remove_all(o.cache);
  const Interval known = interval_of(losses);
  // A single run has no interval; other compilers and cores round otherwise, which training makes larger.
  const double within = known.count > 1 ? known.next : 0.02 * known.mean;
  const bool inside = std::abs(loss - known.mean) <= within;
  std::printf("%s: loss %.6f%s; the arm: %.6f +- %.6f: %s\n", row.c_str(), loss,
              losses.contains(run->seed) && losses.at(run->seed) == loss ? ", as before to the last bit" : "",
              known.mean, within, inside ? "inside" : "OUTSIDE");
  return inside ? 0 : 1;
}

int write_tables(const std::vector<Run>& runs, const Experiment& e, const Options& o, const Cache& cache,
                 const std::string& command) {
  for (const Run& run : runs)
    if (finished(run, cache)) write_result(result_of(run, cache), file_of(run, o.out));
  const auto results = read_results(o.out);
  if (results.empty()) return 0;
  write_summary(results, o.out, e.what, command, e.pictured);
  std::cout << "\n" << summary_markdown(results, e.what, command) << "\nWritten to " << o.out.string() << std::endl;
  return 0;
}

/// Of the world of an experiment, whose states need not be there yet.
void print_phrases(const fs::path& path) {
  const Json j = mg::detail::parse_json(mg::detail::read_file(path), path.string());
  const auto world = make_world(choose_world(j.value("world", Json::object()), path.parent_path(), path.string()),
                                {.frames = 8, .height = 16, .width = 16}, 1);
  const auto phrases = world->phrases();
  if (phrases.empty()) throw mg::error(path.string() + ": the phrases of this world cannot be listed");
  for (const auto& phrase : phrases) std::cout << phrase << "\n";
}

int run(Options o, const std::string& command) {
  const auto path = path_of(o.smoke ? "smoke" : o.experiment);
  if (o.phrases) return print_phrases(path), 0;
  Experiment e = read_experiment(path);
  if (!o.seeds.empty()) e.seeds = o.seeds;
  if (o.out.empty()) o.out = fs::path("out/growth") / e.name;
  const int cores = int(std::max(1u, std::thread::hardware_concurrency()));
  if (o.jobs < 1) o.jobs = o.threads > 0 ? std::max(1, cores / o.threads) : cores;
  if (o.threads < 1) o.threads = std::max(1, cores / o.jobs);
  if (!o.rerun.empty()) return repeat(e, o, o.rerun);
  const Cache cache(o.cache);
  const auto runs = chosen(e, o);
  if (o.tables) return write_tables(runs, e, o, cache, command);
  const auto missing = unknown(runs, o.out);
  if (missing.size() < runs.size())
    std::cout << "known from " << o.out.string() << ": " << runs.size() - missing.size() << " of " << runs.size()
              << " runs" << std::endl;
  const auto jobs = jobs_of(missing, cache);
  if (o.dry_run) return print_dry_run(missing, jobs, cache, o.jobs), 0;
  const JobsReport report = train_all(jobs, cache, o);
  write_tables(runs, e, o, cache, command);
  if (report.interrupted) {
    std::cout << "\nStopped: " << report.left
              << " segments are left, and those that were under way are saved. Go on with\n  " << command << std::endl;
    return StopSignal::exit_code;
  }
  return report.failed > 0 ? 1 : 0;
}

/// The process of one segment.
int work(const Options& o, const TrainSegment& train) {
  const StopSignal stop;
  const Cache cache(o.cache);
  const SegmentLock lock(cache, o.segment);
  return train(cache, o.segment, &StopSignal::requested) == Outcome::stopped ? StopSignal::exit_code : 0;
}

std::string footer() {
  std::string text =
      "An experiment is a JSON file: a world of clips, a model, and arms that train it in different ways, each from "
      "several\n"
      "seeds, for the same steps or compute. Segments are cached by content: what several arms share is trained once, "
      "what\n"
      "is known never again, and a run that was stopped or killed goes on where it was saved. Results are JSONL files, "
      "one\n"
      "a run, in OUT/runs; tables and pictures come from them.\n\n"
      "  bench_growth a-screen --dry-run          what would be trained, and how long it takes\n"
      "  bench_growth a-screen --seeds 1          one seed of every arm\n"
      "  bench_growth a-screen --only scratch     one arm\n"
      "  bench_growth a-screen --rerun scratch/1  one run again: its loss must lie in the interval of its arm\n"
      "  bench_growth mine.json                   your own: \"base\": {\"folder\": \"my-pipeline\"},\n"
      "                                           \"world\": {\"name\": \"clips\", \"archives\": "
      "[\"my-clips.tar\"]}\n\n"
      "Worlds:\n";
  for (const auto& [name, about] : known_worlds()) {
    text += "  " + name + ": ";
    for (const char c : about) text += c == '\n' ? "\n    " : std::string(1, c);
    text += "\n";
  }
  return text + "benchmarks/growth/README.md explains every key.";
}

}  // namespace

int program(int argc, char** argv, const std::string& device, const TrainSegment& train) {
  CLI::App app{"Compares ways to grow a model: trains every arm of an experiment and says what each is worth."};
  app.footer(footer());
  Options o{.device = device};
  app.add_option("experiment", o.experiment, "a JSON file, or the name of one in benchmarks/growth")
      ->capture_default_str();
  app.add_flag("--smoke", o.smoke, "the experiment smoke: everything in small, within a minute");
  app.add_option("--jobs", o.jobs, "processes at a time; 0: one a core")->capture_default_str();
  app.add_option("--threads", o.threads, "threads of each; 0: the cores among the processes")->capture_default_str();
  app.add_option("--seeds", o.seeds, "these seeds instead of those of the file")->delimiter(',');
  app.add_option("--only", o.only, "only these arms; may be repeated")->allow_extra_args(false);
  app.add_flag("--dry-run", o.dry_run, "list segments, compute and time; train nothing");
  app.add_flag("--tables", o.tables, "only write tables and pictures of the results that there are");
  app.add_option("--rerun", o.rerun, "repeat one run, ARM/SEED, and compare it with its arm");
  app.add_flag("--phrases", o.phrases,
               "print all that a language model may have to read, a phrase a line, for `encode`");
  app.add_option("--out", o.out, "where results go (default: out/growth/NAME)");
  app.add_option("--cache", o.cache, "where segments are kept")->capture_default_str();
  app.add_option("--device", o.device, "what to train on; bench_growth_cuda trains on cuda")
      ->check(CLI::IsMember({device}))
      ->capture_default_str();
  app.add_option("--segment", o.segment, "train one segment of the cache: what the processes are started with")
      ->group("");
  CLI11_PARSE(app, argc, argv);
  std::string command = "scripts/bench-growth";
  for (int i = 1; i < argc; ++i) command += " " + std::string(argv[i]);
  try {
    return o.segment.empty() ? run(o, command) : work(o, train);
  } catch (const std::exception& e) {
    std::cerr << "bench_growth: " << e.what() << std::endl;
    return 1;
  }
}

}  // namespace growth
