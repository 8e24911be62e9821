// SPDX-License-Identifier: MIT
// Work given to a device as one piece.
#pragma once
#include <utility>

namespace modelgrow::inline v0 {

/// run(give) calls give(), whose work is given to device D: here at once, as by itself. On Cuda (<modelgrow/cuda.cuh>)
/// it becomes one graph: the host can read results only behind run(), and when give() throws, nothing is done.
template <class D>
class Recording {
 public:
  template <class F>
  void run(F&& give) {
    std::forward<F>(give)();
  }
};

}  // namespace modelgrow::inline v0
