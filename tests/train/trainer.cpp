// SPDX-License-Identifier: MIT
// The loop: hooks, stopping, micro-batches, and above all that a killed run, resumed, repeats the losses of an
// uninterrupted one bit for bit.
#include <modelgrow/core/rng.hpp>
#include <modelgrow/detail/json.hpp>
#include <modelgrow/train/evaluate.hpp>
#include <modelgrow/train/metrics.hpp>
#include <modelgrow/train/trainer.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include "tests/support/catch.hpp"
#include "tests/support/scratch.hpp"
#include "tests/train/tiny_model.hpp"

namespace mg = modelgrow;
namespace fs = std::filesystem;
using mg::testing::Scratch;
using Model = tiny::Pair<float, mg::Cpu>;
using Trainer = mg::Trainer<Model, float, mg::Cpu>;

namespace {

mg::TrainerOptions some_options() {
  return {.steps = 30,
          .schedule = {.kind = mg::Schedule::Kind::cosine, .peak = 0.02, .warmup = 3, .total = 30},
          .adamw = {.clip_norm = 1.0},
          .ema = mg::EmaOptions{},
          .seed = 3};
}
const auto tiny_loss = [](Model& model) {
  return [&model](auto& tape, std::int64_t i) { return tiny::loss(model, tape, i); };
};

/// Exactly the bits of a loss, for comparison through a log.
std::string bits_of(double x) { return std::to_string(std::bit_cast<std::uint64_t>(x)); }

std::vector<std::string> lines_of(const fs::path& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line) && !file.eof();) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("training learns, reports every step and calls hooks when they are due") {
  Model model;
  auto options = some_options();
  options.steps = 300;
  options.schedule = {.peak = 0.02};
  Trainer trainer(model, options);
  std::vector<double> losses;
  std::vector<std::int64_t> tens, once;
  trainer.every(1, [&](const mg::StepReport& r) {
    CHECK(r.step == std::int64_t(losses.size()) + 1);
    CHECK(r.lr == 0.02);
    CHECK(r.gradient_norm > 0.0);
    losses.push_back(r.loss);
  });
  trainer.every(100, [&](const mg::StepReport& r) { tens.push_back(r.step); });
  trainer.at(7, [&](const mg::StepReport& r) { once.push_back(r.step); });
  const auto validation = [&] {
    return mg::evaluate<float, mg::Cpu>(
        4, [&](auto& tape, std::int64_t i) { return tiny::loss(model, tape, 100000 + i); });
  };
  const double before = validation();
  CHECK(trainer.run(tiny_loss(model)) == Trainer::Outcome::finished);
  CHECK(losses.size() == 300);
  CHECK(tens == std::vector<std::int64_t>{100, 200, 300});
  CHECK(once == std::vector<std::int64_t>{7});
  CHECK(validation() < 0.2 * before);
  CHECK(validation() == validation());
  CHECK_FALSE(model.first.weight1.gradient.span()[0] != 0.0f);  // evaluation leaves no gradients behind
}

TEST_CASE("a validation set without a batch is refused") {
  CHECK_THROWS_AS(
      (mg::evaluate<float, mg::Cpu>(
          0, [](auto& tape, std::int64_t) { return tape.constant(mg::Tensor<float, mg::Cpu>::zeros(mg::Shape{})); })),
      mg::error);
}

TEST_CASE("micro-batches add up to the mean of their losses") {
  Model whole, parts;
  auto options = some_options();
  options.steps = 1;
  Trainer one(whole, options);
  options.micro_batches = 4;
  Trainer four(parts, options);
  double mean = 0, loss = 0;
  one.every(1, [&](const auto& r) { mean = r.loss; });
  four.every(1, [&](const auto& r) { loss = r.loss; });
  one.run([&](auto& tape, std::int64_t) {
    const auto x = mg::gaussian_noise<float>(mg::Shape{32, 6}, mg::Rng(77));  // batches 0 to 3 of tiny::loss in one
    auto target = x.clone();
    for (float& t : target.span()) t *= 2;
    return mse(tape, whole(tape, tape.constant(x)), target);
  });
  four.run(tiny_loss(parts));
  CHECK_THAT(loss, WithinRel(mean, 1e-5));
  for (int i = 0; i < 60; ++i)  // Adam's first step is about the sign of the gradient: compare its moment
    CHECK_THAT(four.optimizer().states().at("first.weight1").m.data()[i],
               WithinAbs(one.optimizer().states().at("first.weight1").m.data()[i], 1e-6));
}

TEST_CASE("what is too small for a normal number is 0 in moments, which would slow every later step down") {
  Model model;
  auto options = some_options();
  options.steps = 1;
  mg::for_each_parameter(model, [](const std::string&, auto& p) {  // so are gradients, and their squares denormal
    for (float& w : p.value.span()) w *= 1e-20f;
  });
  Trainer trainer(model, options);
  trainer.run(tiny_loss(model));
  std::size_t values = 0;
  for (const auto& [path, state] : trainer.optimizer().states())
    for (const float v : state.v.span()) {
      ++values;
      CHECK((v == 0 || v >= std::numeric_limits<float>::min()));
    }
  CHECK(values > 100);
  volatile float denormal = std::numeric_limits<float>::denorm_min();
  CHECK(denormal * 1e30f > 0);  // afterwards the thread computes as before
}

TEST_CASE("asked to stop, a run saves itself and says so") {
  const Scratch directory;
  Model model;
  auto options = some_options();
  options.directory = directory / "latest";
  std::int64_t asked = 0;
  options.stop = [&] { return ++asked == 4; };
  Trainer trainer(model, options);
  CHECK(trainer.run(tiny_loss(model)) == Trainer::Outcome::stopped);
  CHECK(trainer.step() == 4);
  CHECK(mg::read_run_state(directory / "latest").step == 4);
}

TEST_CASE("a run resumes only with its own seed, and can start from the weights of another") {
  const Scratch directory;
  Model model, other;
  auto options = some_options();
  options.directory = directory / "latest";
  Trainer(model, options).run(tiny_loss(model));
  options.seed = 4;
  Trainer trainer(other, options);
  CHECK_THROWS_AS(trainer.resume(directory / "latest"), mg::error);
  CHECK_THROWS_AS(trainer.resume(directory / "missing"), mg::io_error);
  trainer.start_from(directory / "latest");
  CHECK(trainer.step() == 0);
  CHECK(other.first.weight1.value.data()[5] == model.first.weight1.value.data()[5]);
}

TEST_CASE("a loss that is not a number ends the run; the last save is intact") {
  const Scratch directory;
  Model model;
  auto options = some_options();
  options.directory = directory / "latest";
  options.save_every = 2;
  Trainer trainer(model, options);
  CHECK_THROWS_AS(trainer.run([&](auto& tape, std::int64_t i) {
    if (i == 5) model.first.bias1.value.data()[0] = NAN;
    return tiny::loss(model, tape, i);
  }),
                  mg::error);
  Model again;
  Trainer restored(again, options);
  restored.resume(directory / "latest");
  CHECK(restored.step() == 4);
  CHECK(std::isfinite(again.first.bias1.value.data()[0]));
}

// Runs in a process of its own, started by the test below: it trains, saving after every step, until it is killed or
// done. MODELGROW_TEST_RUN is the directory.
TEST_CASE("a run to be killed", "[.process]") {
  const char* place = std::getenv("MODELGROW_TEST_RUN");
  REQUIRE(place);
  const fs::path directory = place;
  Model model;
  auto options = some_options();
  options.directory = directory / "latest";
  options.save_every = 1;
  Trainer trainer(model, options);
  if (fs::exists(options.directory)) trainer.resume(options.directory);
  mg::MetricsLog log(directory / "log.jsonl", trainer.step() + 1);
  trainer.every(1, [&](const mg::StepReport& r) {
    log.write({{"step", r.step}, {"loss", bits_of(r.loss)}, {"norm", bits_of(r.gradient_norm)}});
  });
  trainer.run(tiny_loss(model));
}

TEST_CASE("killed at any moment and resumed, a run repeats the losses of an uninterrupted one bit for bit") {
  const Scratch directory;
  std::vector<std::string> expected;
  Model model;
  Trainer trainer(model, some_options());
  trainer.every(1, [&](const mg::StepReport& r) {
    expected.push_back(
        mg::detail::json{{"step", r.step}, {"loss", bits_of(r.loss)}, {"norm", bits_of(r.gradient_norm)}}.dump());
  });
  trainer.run(tiny_loss(model));

  const fs::path log = directory / "log.jsonl";
  const auto start = [&] {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::setenv("MODELGROW_TEST_RUN", directory.path().c_str(), 1);
      ::execl("/proc/self/exe", "test_train", "a run to be killed", nullptr);
      ::_exit(127);
    }
    return child;
  };
  int killed = 0;
  for (const std::size_t lines : {3u, 8u, 9u, 21u}) {
    const pid_t child = start();
    int status = 0;
    while (lines_of(log).size() < lines && ::waitpid(child, &status, WNOHANG) == 0)
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    ::kill(child, SIGKILL);  // usually while it saves
    ::waitpid(child, &status, 0);
    killed += WIFSIGNALED(status);
    CHECK(lines_of(log).size() < expected.size());
  }
  CHECK(killed == 4);
  int status = 0;
  ::waitpid(start(), &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(lines_of(log) == expected);
  int others = 0;  // directories of saves that were cut off
  for (const auto& e : fs::directory_iterator(directory.path())) others += e.path() != log;
  CHECK(others == 1);

  Model last;
  Trainer restored(last, some_options());
  restored.resume(directory / "latest");
  mg::for_each_parameter(model, [&](const std::string& path, const auto& p) {
    mg::for_each_parameter(last, [&](const std::string& other, const auto& q) {
      if (path == other) CHECK(std::memcmp(p.value.data(), q.value.data(), p.value.bytes()) == 0);
    });
  });
}
