// SPDX-License-Identifier: MIT
// Learning rates, the log, and the progress line.
#include <modelgrow/train/metrics.hpp>
#include <modelgrow/train/progress_line.hpp>
#include <modelgrow/train/schedule.hpp>

#include <cmath>
#include <fstream>
#include <sstream>

#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"

namespace mg = modelgrow;
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
