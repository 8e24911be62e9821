// SPDX-License-Identifier: MIT
// What streams and graphs of the double are.
#pragma once
#include <deque>
#include <memory>

#include "tests/nccl_on_host/support/cuda_double.hpp"

struct CUgraph_st {
  std::vector<cuda_double::Work> work = {};
};
struct CUgraphExec_st {
  std::vector<cuda_double::Work> work = {};
};

struct CUstream_st {
  std::string name;
  std::deque<cuda_double::Work> work = {};
  bool begun = false;  // the first of it
  std::size_t given = 0, ended = 0;
  std::unique_ptr<CUgraph_st> recorded = {};  // while it records
  bool broken = false;                        // what it records is no graph

  /// Does what can be done up to a place; whether that is all.
  bool reaches(std::size_t place) {
    for (; ended < place; ++ended, begun = false, work.pop_front()) {
      if (!begun) work.front().begin();
      begun = true;
      if (!work.front().done()) return false;
    }
    return true;
  }
};
