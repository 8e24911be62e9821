// SPDX-License-Identifier: MIT
// Folders of released families as people have them: wrapped names, and downloads that have not ended.
#include <modelgrow/checkpoint/shards.hpp>
#include <modelgrow/families/all.hpp>
#include <modelgrow/grow/free_space.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/write.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/raw_files.hpp"
#include "tests/support/releases.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

/// A tiny release on disk, all zeros, its names behind a prefix.
void write_release(const std::filesystem::path& folder, const Release& r, const std::string& prefix = {},
                   std::uint64_t shard_bytes = UINT64_MAX) {
  std::filesystem::create_directories(folder);
  auto tensors = r.tensors;
  for (auto& t : tensors) t.name = prefix + t.name;
  CheckpointWriter w(folder / "diffusion_pytorch_model.safetensors", tensors, {}, {.shard_bytes = shard_bytes});
  for (const auto& t : tensors) w.write(t.name, std::vector<std::byte>(byte_size(t.dtype, t.shape).value()));
  w.commit();
  put(folder / "config.json", r.config);
}
Release tiny(const char* family) {
  for (const auto& r : releases(family))
    if (r.tiny()) return r;
  throw format_error("no tiny release");
}
Schema schema_of(const Checkpoint& in) { return family_of(in.names(), in.config(), in.path().string()).schema(in); }

}  // namespace

TEST_CASE("Wrapped names of Wan are understood and kept", "[families]") {
  const Release r = tiny("wan");
  for (const std::string prefix : {"module.", "_orig_mod.", "model.diffusion_model.", "module._orig_mod."}) {
    INFO(prefix);
    const Scratch scratch;
    write_release(scratch / "in", r, prefix);
    const auto in = Checkpoint::open(scratch / "in");
    const Plan p = plan(schema_of(in), InsertBlocks{.at = {1}}, Net2Wider{.space = "ffn", .times = 2});
    CHECK(p.source().family == "wan");
    const auto report = p.write(in, scratch / "out");
    CHECK(report.read_back);
    const auto out = Checkpoint::open(scratch / "out");
    CHECK(out.prefix().text() == prefix);
    CHECK(out.files()[0].names().contains(prefix + "blocks.3.ffn.net.2.weight"));
  }
}

TEST_CASE("An incomplete download is planned from what is there", "[families]") {
  for (const char* family : {"wan", "cogvideox", "mochi"}) {
    INFO(family);
    const Release r = tiny(family);
    const Scratch scratch;
    std::uint64_t all = 0;
    for (const auto& t : r.tensors) all += byte_size(t.dtype, t.shape).value();
    write_release(scratch / "in", r, {}, all / 3);
    const auto whole = schema_of(Checkpoint::open(scratch / "in"));
    const auto last = Checkpoint::open(scratch / "in").files().back().path();
    std::filesystem::remove(last);
    CHECK(says(message_of<io_error>([&] { Checkpoint::open(scratch / "in"); }), last.filename().string()));
    const auto in = Checkpoint::open(scratch / "in", {.incomplete = Incomplete::accept});
    REQUIRE(in.missing_files().size() == 1);
    const Schema s = schema_of(in);
    for (const auto& p : whole.parameters) {
      INFO(p.name);
      const bool unsized = std::string(family) == "mochi" && p.name.starts_with("proj_out.");
      REQUIRE((s.find(p.name) != nullptr) != unsized);  // only its own shape shows its size
      if (!unsized) CHECK(s.find(p.name)->shape() == p.shape());
      if (unsized)
        CHECK(std::find(s.remarks.begin(), s.remarks.end(),
                        "'" + p.name + "' is not counted: its file is missing, and so its size") != s.remarks.end());
    }
    const Plan p = plan(s, InsertBlocks{.every = 1});
    CHECK(output_bytes(p, in) > all);
  }
}

TEST_CASE("A shape that neither files nor config.json show is said to be missing", "[families]") {
  const Release r = tiny("wan");
  const Scratch scratch;
  write_release(scratch / "in", r, {}, 1);  // a file for each tensor
  for (const auto& f : std::filesystem::directory_iterator(scratch / "in"))
    if (f.path().extension() == ".safetensors" && !f.path().filename().string().starts_with("."))
      if (const auto c = Checkpoint::open(f.path()); c.names()[0].name.find("ffn") != std::string::npos)
        std::filesystem::remove(f.path());
  auto config = detail::parse_json(r.config, "config");
  CHECK_NOTHROW(schema_of(Checkpoint::open(scratch / "in", {.incomplete = Incomplete::accept})));
  config.erase("ffn_dim");
  put(scratch / "in/config.json", config.dump());
  CHECK(says(message_of<format_error>(
                 [&] { schema_of(Checkpoint::open(scratch / "in", {.incomplete = Incomplete::accept})); }),
             "ffn", "is missing, and nothing else shows the size of 'ffn'"));
}

TEST_CASE("More blocks in the file than config.json counts are refused with both numbers", "[families]") {
  for (const char* family : {"wan", "stdit3"}) {
    const Release r = tiny(family);
    const Scratch scratch;
    write_release(scratch / "in", r);
    auto config = detail::parse_json(r.config, "config");
    for (const char* key : {"num_layers", "depth"})
      if (config.contains(key)) config[key] = config[key].get<int>() - 1;
    put(scratch / "in/config.json", config.dump());
    INFO(family);
    CHECK(says(message_of<format_error>([&] { schema_of(Checkpoint::open(scratch / "in")); }), "config.json: '", "is ",
               "by the shapes of the file"));
  }
}
