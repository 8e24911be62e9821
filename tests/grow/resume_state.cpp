// SPDX-License-Identifier: MIT
// A growth of what torch saved, optimizers in its files or a distributed checkpoint, that was stopped goes on where it
// was, and ends with the same bytes.
#include <fstream>
#include <map>

#include <modelgrow/checkpoint/dcp_writer.hpp>
#include <modelgrow/checkpoint/torch_optimizer_writer.hpp>
#include <modelgrow/detail/journal.hpp>

#include "disk.hpp"
#include "faults.hpp"
#include "tests/support/message.hpp"
#include "torch_run.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;
using run::Trained;
namespace fs = std::filesystem;

namespace {

StoredOptimizer named_state(const Trained& t) {
  auto state = torch_run::stored(t.state, Optimizer::adamw, {torch_run::parameter_names(t.run.schema)});
  state.ids = StoredOptimizer::Ids::names;
  return state;
}

void write_files(const fs::path& path, const Trained& t) {
  fs::create_directory(path);
  tiny::write_dict(path / "model.safetensors", tiny::to_dict<double>(t.run.schema, t.run.w));
  write_torch_optimizer(path / "optimizer.bin", named_state(t));
  modelgrow::detail::write_file(path / "scheduler.bin", "goes along");
}

void write_distributed(const fs::path& path, const Trained& t) {
  std::vector<JoinedTensor> weights;
  const auto dict = tiny::to_dict<double>(t.run.schema, t.run.w);
  for (const auto& [name, tensor] : dict) weights.push_back(torch_run::tensor_of(name, tensor));
  auto entries = dcp_entries(weights, "model");
  for (auto& e : dcp_entries(named_state(t), "optim", DcpLayout::nested)) entries.push_back(std::move(e));
  write_dcp(path, entries);
}

std::map<std::string, std::string> files_of(const fs::path& folder) {
  std::map<std::string, std::string> all;
  for (const auto& e : fs::recursive_directory_iterator(folder))
    if (e.is_regular_file()) all[e.path().lexically_relative(folder).string()] = modelgrow::detail::read_file(e.path());
  return all;
}

/// A run in a folder, a plan, and what comes out when nothing happens.
struct Growth {
  Trained trained = torch_run::trained("AdamW");
  tiny::Scratch scratch;
  Plan p = plan(trained.run.schema, Net2Wider{.space = "ffn", .to = 12}, InsertBlocks{.every = 1});
  WritePlan how{.keep_bytes = 0, .window_bytes = 4096};
  std::map<std::string, std::string> expected;
  std::int64_t windows = 0, writes = 0;

  explicit Growth(void (*write_run)(const fs::path&, const Trained&)) {
    write_run(scratch / "base", trained);
    auto counting = how;
    counting.progress = [&](const ProgressReport&) { ++windows; };
    const Faults disk({});
    p.write(in(), scratch / "whole", counting);
    writes = disk.writes();
    expected = files_of(scratch / "whole");
    REQUIRE(windows > 6);
  }
  Checkpoint in() const { return Checkpoint::open(scratch / "base"); }
  fs::path partial() const { return scratch / "grown.partial"; }
  /// Stops after so many windows.
  void stop(std::int64_t after) const {
    auto options = how;
    options.progress = [after, seen = std::make_shared<std::int64_t>(0)](const ProgressReport&) {
      if (++*seen == after) throw std::runtime_error("stopped");
    };
    CHECK_THROWS_AS(p.write(in(), scratch / "grown", options), std::runtime_error);
    CHECK_FALSE(fs::exists(scratch / "grown"));
    REQUIRE(fs::exists(partial()));
  }
  /// Goes on to the end; how often it wrote to the disk.
  std::int64_t go_on() const {
    const Faults disk({});
    p.write(in(), scratch / "grown", how);
    CHECK(files_of(scratch / "grown") == expected);
    CHECK_FALSE(fs::exists(partial()));
    fs::remove_all(scratch / "grown");
    return disk.writes();
  }
};

constexpr auto runs = {&write_files, &write_distributed};

}  // namespace

TEST_CASE("a growth of what torch saved that is stopped goes on, and writes no window twice") {
  for (const auto write_run : runs) {
    const Growth g(write_run);
    for (std::int64_t after = 1; after <= g.windows; after += 2) {
      INFO("after window " << after << " of " << g.windows);
      g.stop(after);
      CHECK(g.go_on() <= g.writes - after);
    }
  }
}

TEST_CASE("what was damaged between two tries at what torch saved is made again") {
  for (const auto write_run : runs) {
    const Growth g(write_run);
    g.stop(g.windows);
    for (const auto& e : fs::recursive_directory_iterator(g.partial()))
      if (e.path().extension() == ".bin" || e.path().extension() == ".distcp") {
        std::fstream file(e.path(), std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(5000);
        file.put('\x55');
      }
    g.go_on();
  }
}

TEST_CASE("a disk that fails while what torch saved is written says what is kept") {
  for (const auto write_run : runs) {
    const Growth g(write_run);
    for (std::int64_t at = 0; at < g.writes; at += 3) {
      INFO("write " << at << " of " << g.writes);
      std::string text;
      {
        const Faults failing({.write = at, .code = ENOSPC});
        text = message_of<io_error>([&] { g.p.write(g.in(), g.scratch / "grown", g.how); });
      }
      CHECK(says(text, "No space left on device"));
      if (fs::exists(g.partial())) CHECK(says(text, "is kept in", "--no-resume"));
      g.go_on();
    }
  }
}
