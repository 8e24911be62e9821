// SPDX-License-Identifier: MIT
// A run that ranks save together is the run that one saves, in shards of whole tensors, and any number of ranks goes on
// with it, each reading what it is to hold.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/dist/single.hpp>
#include <modelgrow/train/distributed.hpp>

#include <cstdlib>
#include <cstring>

#include "tests/dist/support/shared_scratch.hpp"
#include "tests/dist/support/small_run.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/same_bits.hpp"

namespace mg = modelgrow;
namespace fs = std::filesystem;
using mg::testing::message_of;
using mg::testing::Model;
using mg::testing::ranks;
using mg::testing::same_bits;
using mg::testing::says;
using mg::testing::SharedScratch;
using mg::testing::some_options;
using mg::testing::train;
using mg::testing::Trainer;
using State = mg::DistributedOptions::State;

namespace {

mg::DistributedOptions ordered(State state) { return {.state = state, .sums = mg::Sums::ordered}; }
/// What a growth leaves behind: factors by row and by column, some of which are on their way to 1.
void give_multipliers(Trainer& trainer, Model& model) {
  mg::for_each_parameter(model, [&](const std::string& path, const auto& p) {
    if (!p.trained()) return;
    auto& s = trainer.optimizer().states()[path];
    s.m = mg::Tensor<float, mg::Cpu>::zeros(p.value.shape());
    s.v = mg::Tensor<float, mg::Cpu>::zeros(p.value.shape());
    std::vector<double> lr, eps;
    for (std::int64_t c = 0; c < mg::matrix_size(p.value.shape()).columns; ++c) lr.push_back(1.0 + 0.1 * double(c));
    for (std::int64_t r = 0; r < p.value.dim(0); ++r) eps.push_back(2.0 + double(r));
    if (path.ends_with("2")) eps = {3.0};
    s.set_multipliers(lr, eps);
    if (path.starts_with("first")) s.anneal = 20;
  });
}
void require_same(const mg::Checkpoint& a, const mg::Checkpoint& b) {
  REQUIRE(a.tensors().size() == b.tensors().size());
  for (const auto& t : a.tensors()) {
    INFO(t.name);
    const auto& other = b.tensor(t.name);
    CHECK(t.dtype == other.dtype);
    CHECK(t.shape == other.shape);
    CHECK(std::memcmp(t.data, other.data, t.bytes) == 0);
  }
}
void require_same_run(const fs::path& a, const fs::path& b) {
  CHECK(mg::detail::read_file(a / "trainer.json") == mg::detail::read_file(b / "trainer.json"));
  for (const char* part : {"first", "second"}) {
    const auto x = mg::Checkpoint::open(a / part), y = mg::Checkpoint::open(b / part);
    require_same(x, y);
    require_same(x.optimizer(), y.optimizer());
    require_same(x.ema(), y.ema());
    CHECK(x.config() == y.config());
    CHECK(x.ema().metadata() == y.ema().metadata());
  }
}
std::vector<mg::Tensor<float, mg::Cpu>> all_of(const Trainer& trainer, const Model& model) {
  std::vector<mg::Tensor<float, mg::Cpu>> all;
  const auto ema = trainer.whole_ema();
  const auto optimizer = trainer.whole_optimizer();
  mg::for_each_parameter(model, [&](const std::string& path, const auto& p) {
    all.push_back(p.value);
    all.push_back(ema->averages().at(path));
    if (const auto s = optimizer.states().find(path); s != optimizer.states().end())
      for (const auto& moment : {s->second.m, s->second.v}) all.push_back(moment);
  });
  return all;
}

}  // namespace

TEST_CASE("what ranks save is what one saves, each a shard of as many bytes as another") {
  for (const State state : {State::whole, State::sharded}) {
    const SharedScratch directory;
    const auto save = [&](auto& group, const fs::path& to, State held) {
      Model model;
      mg::freeze(model, "second.bias1");
      Trainer trainer(model, some_options(5, to));
      give_multipliers(trainer, model);
      mg::distribute(trainer, group, ordered(held));
      train(trainer, model);
    };
    save(ranks(), directory / "together", state);
    mg::Single one;
    if (ranks().rank() == 0) save(one, directory / "alone", State::whole);
    CHECK(directory.entries() == 2);
    require_same_run(directory / "together", directory / "alone");

    const auto optimizer = mg::Checkpoint::open(directory / "together" / "first").optimizer();
    const std::uint64_t n = std::uint64_t(ranks().size());
    CHECK(optimizer.files().size() == n);
    for (const auto& file : optimizer.files()) {
      std::uint64_t bytes = 0, largest = 0;
      for (const auto& t : file.tensors()) bytes += t.bytes;
      for (const auto& t : optimizer.tensors()) largest = std::max<std::uint64_t>(largest, t.bytes);
      CHECK(bytes <= optimizer.total_bytes() / n + largest);
    }
    long files = 0;
    for (const auto& entry : fs::directory_iterator(directory / "together" / "first"))
      files += entry.path().filename().string().starts_with("optimizer");
    CHECK(files == long(n) + 1);  // with the index
  }
}

TEST_CASE("of moments and averages a rank reads the rows that it is to hold") {
  const SharedScratch directory;
  {
    Model model;
    Trainer trainer(model, some_options(3, directory / "run"));
    give_multipliers(trainer, model);
    mg::distribute(trainer, ranks(), ordered(State::sharded));
    train(trainer, model);
  }
  Model model, other;
  Trainer before(model, some_options(6)), after(other, some_options(6));
  mg::distribute(before, ranks(), ordered(State::sharded));
  before.resume(directory / "run");
  after.resume(directory / "run");
  mg::distribute(after, ranks(), ordered(State::sharded));
  const std::int64_t whole = after.optimizer().states().at("first.weight1").m.size();
  std::vector<double> rows(1, 0.0);
  if (const auto s = before.optimizer().states().find("first.weight1"); s != before.optimizer().states().end()) {
    CHECK(s->second.m.size() <= whole);
    rows[0] = double(s->second.m.size());
    CHECK(before.ema()->averages().at("first.weight1").size() == s->second.m.size());
  }
  mg::sum_over<mg::Cpu>(ranks(), rows);
  CHECK(rows[0] == double(whole));  // each row on one rank
  train(before, model);
  train(after, other);
  CHECK(same_bits(all_of(before, model), all_of(after, other)));
  const auto one = before.whole_optimizer(), other_one = after.whole_optimizer();
  for (const auto& [path, s] : other_one.states()) {
    CHECK(one.states().at(path).eps() == s.eps());
    CHECK(one.states().at(path).lr() == s.lr());
    CHECK(one.states().at(path).anneal == s.anneal);
  }
}

TEST_CASE("a run begins from weights alone, with averages of the rows that a rank is to hold") {
  const SharedScratch directory;
  Model model;
  Trainer trainer(model, some_options(3, directory / "run"));
  mg::distribute(trainer, ranks(), ordered(State::sharded));
  train(trainer, model);
  ranks().barrier().wait();
  if (ranks().rank() == 0)
    for (const auto& entry : fs::recursive_directory_iterator(directory / "run"))
      if (const auto name = entry.path().filename().string(); name.starts_with("optimizer") || name.starts_with("ema"))
        fs::remove(entry.path());
  ranks().barrier().wait();
  trainer.start_from(directory / "run");  // over state that was cut
  trainer.gather();
  CHECK(trainer.optimizer().states().empty());
  CHECK(same_bits(trainer.ema()->averages().at("first.weight1"), model.first.weight1.value));
}

TEST_CASE("tensors that are larger than what ranks send each other at once arrive whole") {
  const SharedScratch directory;
  const std::int64_t rows = 550, columns = 10000;  // 22 MB, in windows of 16
  const auto value = [](std::int64_t row, std::int64_t column) { return float(row * 31 + column % 977); };
  mg::TensorFile file;
  for (const char* name : {"a", "b", "c"}) {
    const auto cuts = mg::Cuts::even(rows, ranks().size());
    const std::int64_t first = cuts.begin(ranks().rank()), own = cuts.size(ranks().rank());
    const mg::Tensor<float, mg::Cpu> held({own, columns});
    for (std::int64_t i = 0; i < held.size(); ++i) held.data()[i] = value(first + i / columns, i % columns) + *name;
    file.add(name, held, mg::RowRange{.first = first, .last = first + own});
  }
  mg::Ranks group(
      ranks().rank(), ranks().size(), [](const std::string& text) { return mg::gather_texts(ranks(), text); },
      [](const std::vector<std::string>& to) { return mg::swap_texts(ranks(), to); });
  group.together([&] { file.save(directory / "t.safetensors", {}, {.ranks = &group}); });
  const auto saved = mg::Checkpoint::open(directory / "t.safetensors.index.json");
  CHECK(saved.files().size() == std::size_t(std::min(ranks().size(), 3)));
  std::int64_t wrong = 0;
  for (const auto& t : saved.tensors()) {
    const auto values = mg::values_of<float>(t);
    REQUIRE(t.shape == mg::Shape{rows, columns});
    for (std::int64_t i = 0; i < rows * columns; ++i)
      wrong += values[std::size_t(i)] != value(i / columns, i % columns) + t.name[0];
  }
  CHECK(wrong == 0);
}

TEST_CASE("masters of 16-bit weights are saved and read by rows") {
  using Half = tiny::Mlp<mg::bf16, mg::Cpu>;
  using Adam = mg::AdamW<mg::bf16, mg::Cpu>;
  const SharedScratch directory;
  const Half model({.hidden = 9});
  Adam whole(model, {});
  mg::RowsByPath rows;
  mg::for_each_parameter(model, [&](const std::string& path, const auto& p) {
    auto& s = whole.states()[path];
    std::uint64_t stream = 0;
    for (auto* t : {&s.m, &s.v, &s.master})
      *t = mg::gaussian_noise<float>(p.value.shape(), mg::Rng(9, mg::hash_name(path)), 1000 * stream++);
    s.step = 4;
    const auto cuts = mg::Cuts::even(p.value.dim(0), ranks().size());
    const std::int64_t first = cuts.begin(ranks().rank());
    rows[path] = {.first = first, .last = first + cuts.size(ranks().rank())};
  });
  Adam own = whole, read(model, {});
  mg::keep_rows<mg::bf16, mg::Cpu>(rows, own, nullptr);
  mg::Ranks group(
      ranks().rank(), ranks().size(), [](const std::string& text) { return mg::gather_texts(ranks(), text); },
      [](const std::vector<std::string>& to) { return mg::swap_texts(ranks(), to); });
  group.together([&] { own.save(directory / "optimizer.safetensors", {}, {.ranks = &group, .rows = rows}); });
  const auto file = mg::Checkpoint::open(directory / "optimizer.safetensors.index.json");
  Adam all(model, {});
  all.load(file, model);
  read.load(file, model, {}, rows);
  CHECK(read.states().size() == own.states().size());
  for (const auto& [path, s] : whole.states()) {
    CHECK(same_bits(all.states().at(path).master, s.master));
    if (!own.states().contains(path)) continue;
    CHECK(same_bits(read.states().at(path).master, own.states().at(path).master));
    CHECK(same_bits(read.states().at(path).v, own.states().at(path).v));
  }
}

/// Three steps more of the run in MODELGROW_TEST_RUN, as one rank would have done them from the beginning.
/// tests/CMakeLists.txt calls this with one number of ranks after the other.
void go_on(State state) {
  const char* directory = std::getenv("MODELGROW_TEST_RUN");
  REQUIRE(directory);
  const fs::path run = fs::path(directory) / "run";
  const std::int64_t done = fs::exists(run) ? mg::read_run_state(run).step : 0;
  Model model;
  Trainer trainer(model, some_options(done + 3, run));
  mg::distribute(trainer, ranks(), ordered(state));
  if (done > 0) trainer.resume(run);
  train(trainer, model);
  ranks().barrier().wait();
  Model uninterrupted;
  mg::Single one;
  const fs::path alone = fs::path(directory) / ("alone-" + std::to_string(ranks().rank()));
  Trainer whole(uninterrupted, some_options(done + 3, alone));
  mg::distribute(whole, one, ordered(State::whole));
  train(whole, uninterrupted);
  CHECK(same_bits(all_of(trainer, model), all_of(whole, uninterrupted)));
  require_same_run(run, alone);
}
TEST_CASE("go on sharded", "[.chain]") { go_on(State::sharded); }
TEST_CASE("go on whole", "[.chain]") { go_on(State::whole); }
