// SPDX-License-Identifier: MIT
// The cost model's tables for Wan 2.1 1.3B and 14B with twice their blocks, on 1 to 1,000 cards: bench_cost_model
// [--flops F ..] prints Markdown. A model, not a measurement; scripts/bench-scale model puts it into docs/scale.md.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/plan.hpp>
#include <tests/support/release_schema.hpp>

#include "benchmarks/scale/cost_model.hpp"

namespace mg = modelgrow;

namespace {

struct Assumptions {
  double flops = 4e14, node_link = 4e11, net_link = 5e10, latency = 5e-6, tokens = 32760, micro_batches = 1;
  int cards_a_node = 8;
  std::int64_t bucket_bytes = 16'000'000;
  scale::Hardware hardware(int cards) const {
    return {
        .flops = flops, .bytes_a_second = cards <= cards_a_node ? node_link : net_link, .seconds_a_message = latency};
  }
};

/// A grown model as its family's text has it.
struct Model {
  std::string name;
  std::vector<mg::MatrixSize> tensors = {};
  double parameters = 0, blocks = 0, hidden = 0;

  /// A product takes two operations for a parameter and token, attention four for a pair of tokens and a channel; the
  /// backward pass twice as many, and as many again for activations that are computed anew.
  scale::Work work(double tokens) const {
    const double forward = 2 * parameters * tokens + 4 * tokens * tokens * hidden * blocks;
    return {.forward = forward, .backward = 3 * forward};
  }
};
Model grown(const std::string& release) {
  for (const auto& r : mg::testing::releases()) {
    if (!r.name.starts_with(release)) continue;
    const mg::Plan plan = mg::plan(mg::testing::schema_of(r), mg::InsertBlocks{.every = 1});
    const mg::Schema& schema = plan.schema();
    Model m{.name = release};
    for (const auto& p : schema.parameters)
      if (mg::is_trained(p.info.purpose)) m.tensors.push_back(mg::matrix_size(p.shape()));
    m.parameters = double(schema.trained_elements());
    m.blocks = double(schema.stack("blocks").count);
    m.hidden = double(schema.space("hidden").space.size);
    return m;
  }
  throw mg::option_error("there is no release '" + release + "' in tests/families/releases");
}

std::string text(const char* format, auto... values) {
  char line[512];
  std::snprintf(line, sizeof line, format, values...);
  return line;
}
std::string row(const Model& m, const Assumptions& a, int cards) {
  scale::Training t{
      .ranks = cards, .micro_batches = std::int64_t(a.micro_batches) * cards, .bucket_bytes = a.bucket_bytes};
  const auto buckets = scale::buckets_of(m.tensors, t);
  const int rank = scale::largest_rank(buckets, cards);
  const double whole = double(scale::memory(buckets, t, rank).all());
  t.sharded = true;
  const double sharded = double(scale::memory(buckets, t, rank).all());
  const mg::Traffic sent = scale::step_traffic(buckets, t, rank).all();
  const scale::StepTime time = scale::step_time(buckets, t, rank, m.work(a.tokens), a.hardware(cards));
  return text("| %d | %.2f | %lld | %.2f | %.2f | %.2f | %.1f %% | %.0f | %.0f |\n", cards, double(sent.bytes) * 1e-9,
              static_cast<long long>(sent.messages), time.computing, time.sending, time.exposed,
              100 * time.exposed / time.total(), whole * 1e-9, sharded * 1e-9);
}
std::string table(const Model& m, const Assumptions& a) {
  std::string s = text("%s with as many blocks again: %.2f billion parameters, %.0f blocks.\n\n", m.name.c_str(),
                       m.parameters * 1e-9, m.blocks);
  s += "| cards | GB sent | messages | s computing | s sending | s not hidden | of the step | GB held, `whole` | "
       "`sharded` |\n";
  s += "|---|---|---|---|---|---|---|---|---|\n";
  for (const int cards : {1, 2, 4, 8, 16, 64, 256, 1000}) s += row(m, a, cards);
  return s + "\n";
}

}  // namespace

int main(int argc, char** argv) {
  Assumptions a;
  CLI::App app("What training of grown models sends, waits for and holds, by number of cards: a model.");
  app.option_defaults()->always_capture_default();
  app.add_option("--flops", a.flops, "operations that a card does in a second");
  app.add_option("--node-link", a.node_link, "bytes a second that a card sends to others of its node");
  app.add_option("--net-link", a.net_link, "the same to other nodes");
  app.add_option("--cards-a-node", a.cards_a_node, "up to so many cards talk by the links of a node");
  app.add_option("--latency", a.latency, "seconds that each message takes besides");
  app.add_option("--tokens", a.tokens, "of a clip; one clip is a micro-batch");
  app.add_option("--micro-batches", a.micro_batches, "of a card and step");
  app.add_option("--bucket-bytes", a.bucket_bytes, "most that is sent at once");
  CLI11_PARSE(app, argc, argv);
  try {
    std::cout << text(
        "Assumed: %.0f TFLOP/s reached by a card, %.0f GB/s from card to card within nodes of %d cards and "
        "%.0f GB/s between\nnodes, %.0f us a message, clips of %.0f tokens, %.0f a card and step, activations "
        "computed again, bf16 with master weights\nand averages in float, buckets of %.0f MB.\n\n",
        a.flops * 1e-12, a.node_link * 1e-9, a.cards_a_node, a.net_link * 1e-9, a.latency * 1e6, a.tokens,
        a.micro_batches, double(a.bucket_bytes) * 1e-6);
    for (const char* release : {"Wan-AI/Wan2.1-T2V-1.3B", "Wan-AI/Wan2.1-T2V-14B"})
      std::cout << table(grown(release), a);
    return 0;
  } catch (const std::exception& e) {
    std::cerr << "bench_cost_model: " << e.what() << std::endl;
    return 1;
  }
}
