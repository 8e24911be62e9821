// SPDX-License-Identifier: MIT
// Learning rates, the log, and the progress line.
#include <modelgrow/train/metrics.hpp>
#include <modelgrow/train/progress_line.hpp>
#include <modelgrow/train/schedule.hpp>

#include <cmath>
#include <fstream>
#include <sstream>

#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/scratch.hpp"

namespace mg = modelgrow;
using mg::testing::message_of;
using mg::testing::says;
using mg::testing::Scratch;

TEST_CASE("the learning rate rises linearly and then stays or falls along a cosine") {
  using Kind = mg::Schedule::Kind;
  const mg::Schedule constant{.peak = 2.0, .warmup = 4};
  CHECK(constant(0) == 0.5);
  CHECK(constant(2) == 1.5);
  CHECK(constant(3) == 2.0);
  CHECK(constant(1000) == 2.0);
  const mg::Schedule cosine{.kind = Kind::cosine, .peak = 2.0, .warmup = 10, .total = 110, .floor = 0.1};
  CHECK(cosine(10) == 2.0);
  CHECK_THAT(cosine(35), WithinRel(0.2 + 1.8 * 0.5 * (1 + std::sqrt(0.5)), 1e-12));
  CHECK_THAT(cosine(60), WithinRel(1.1, 1e-12));
  CHECK_THAT(cosine(110), WithinRel(0.2, 1e-12));
  CHECK_THAT(cosine(500), WithinRel(0.2, 1e-12));
}

TEST_CASE("a stable rate falls over the last share of the run, linearly, along a cosine or as 1 - sqrt") {
  using Decay = mg::Schedule::Decay;
  mg::Schedule s{.kind = mg::Schedule::Kind::stable_decay, .peak = 2, .warmup = 10, .total = 200, .floor = 0.1};
  CHECK(s(4) == 1.0);
  for (const int stable : {9, 10, 100, 160}) CHECK(s(stable) == 2.0);
  CHECK(s.stable_until() == 160);
  const std::pair<Decay, double> quarters[] = {
      {Decay::linear, 0.75}, {Decay::cosine, 0.5 * (1 + std::sqrt(0.5))}, {Decay::sqrt, 0.5}};
  for (const auto& [decay, left] : quarters) {
    s.decay = decay;
    CHECK_THAT(s(170), WithinRel(0.2 + 1.8 * left, 1e-12));
    for (const int end : {200, 1000}) CHECK_THAT(s(end), WithinRel(0.2, 1e-12));
  }
  s.decay_share = 1;
  CHECK(s.stable_until() == 0);
  CHECK_THAT(s(10), WithinRel(2.0, 1e-12));  // the warm-up comes first
}

TEST_CASE("after a growth the rate rises once more, of all parameters or of added ones") {
  using Of = mg::Rewarm::Of;
  mg::Schedule s{.peak = 2, .rewarm = {.of = Of::all, .steps = 4, .after = {10, 30}}};
  const std::pair<int, double> factors[] = {{9, 1.0},  {10, 0.25}, {12, 0.75}, {13, 1.0},
                                            {29, 1.0}, {30, 0.25}, {100, 1.0}};
  for (const auto& [step, factor] : factors) {
    s.rewarm.of = Of::all;
    CHECK(s(step) == 2 * factor);
    CHECK(s.of_added(step) == 1.0);
    s.rewarm.of = Of::added;
    CHECK(s(step) == 2.0);
    CHECK(s.of_added(step) == factor);
    s.rewarm.of = Of::none;
    CHECK(s(step) * s.of_added(step) == 2.0);
  }
}

TEST_CASE("numbers that make no schedule are refused") {
  const auto refusal = [](const mg::Schedule& s) { return message_of<mg::error>([&] { s.check(); }); };
  CHECK(says(refusal({.kind = mg::Schedule::Kind::stable_decay}), "total = 0", "the number of steps"));
  CHECK(says(refusal({.decay_share = 1.5}), "a share of 1.5"));
  CHECK(says(refusal({.decay_share = 0}), "more than 0"));
  CHECK(says(refusal({.rewarm = {.of = mg::Rewarm::Of::added}}), "over 0 steps"));
  CHECK(refusal({}).empty());
}

namespace {
std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}
}  // namespace

TEST_CASE("the log has one object a line; a resumed run drops what it will do again, and a torn last line") {
  const Scratch directory;
  const auto path = directory / "logs" / "run.jsonl";
  {
    mg::MetricsLog log(path);
    for (int step = 1; step <= 5; ++step) log.write({{"step", step}, {"loss", 1.0 / step}});
  }
  const std::string whole = text_of(path);
  CHECK(whole.starts_with("{\"step\":1,\"loss\":1.0}\n{\"step\":2,\"loss\":0.5}\n"));
  {
    std::ofstream torn(path, std::ios::app);
    torn << "{\"step\":6,\"lo";
  }
  mg::MetricsLog(path, 7).write({{"step", 7}});
  CHECK(text_of(path) == whole + "{\"step\":7}\n");
  mg::MetricsLog(path, 3).write({{"step", 3}, {"loss", 9}});
  CHECK(text_of(path) == "{\"step\":1,\"loss\":1.0}\n{\"step\":2,\"loss\":0.5}\n{\"step\":3,\"loss\":9}\n");
  mg::MetricsLog(path).write({{"step", 1}});
  CHECK(text_of(path) == "{\"step\":1}\n");
}

TEST_CASE("a log that cannot be written is an error") {
  const Scratch directory;
  CHECK_THROWS_AS(mg::MetricsLog(directory.path()), mg::io_error);
  std::ofstream(directory / "file") << "text";
  CHECK_THROWS_AS(mg::MetricsLog(directory / "file" / "log.jsonl"), mg::io_error);
  mg::MetricsLog full("/dev/full");
  CHECK_THROWS_AS(full.write({{"step", 1}}), mg::io_error);
}

TEST_CASE("the progress line shows step, loss, speed and the time left, and covers what was there") {
  std::ostringstream out;
  {
    mg::ProgressLine line(out, 1000, 16);
    line.update(1, 0.5, 2.0);
    line.update(999, 0.5, 2.0);
  }
  CHECK(out.str() ==
        "\rstep 1/1000  loss 0.5000  8 clips/s  33:18 left\rstep 999/1000  loss 0.5000  8 clips/s  0:02 left\n");
  CHECK(mg::clock_time(3661.4) == "1:01:01");
  CHECK(mg::clock_time(59.9) == "1:00");
}
