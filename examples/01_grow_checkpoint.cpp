// SPDX-License-Identifier: MIT
// Grows a checkpoint on disk: weights, optimizer state, averages and config.json, all or nothing.
#include <iostream>
#include <modelgrow/expand.hpp>
namespace mg = modelgrow;

int main() {
  auto in = mg::Checkpoint::open("data/base/transformer");  // maps the files, reads headers only
  auto plan = mg::plan(in, mg::InsertBlocks{.every = 1},    // a closed copy behind every block: twice as deep
                       mg::Net2Wider{.space = "ffn", .to = 600, .noise_db = 20});
  std::cout << plan;                            // dry run: certificate, parameters, every tensor
  mg::Report report = plan.write(in, "grown");  // written, read back and checked, then named
  std::cout << report;
}
