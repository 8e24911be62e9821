// SPDX-License-Identifier: MIT
// How a run is written: by one process or by many, of which each has some rows of moments and averages.
#pragma once
#include <string>
#include <string_view>

#include <modelgrow/grow/ranks.hpp>
#include <modelgrow/train/row_range.hpp>

namespace modelgrow::inline v0 {

/// By itself, one process that has everything.
struct Saving {
  Ranks* ranks = nullptr;  // all of them write, each a shard
  RowsByPath rows = {};    // those that this rank has; of a rank that shares nothing, none
  std::string mark = {};   // for the metadata entry Checkpoint::save_mark of each file; empty: none
};

}  // namespace modelgrow::inline v0
