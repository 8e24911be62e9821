// SPDX-License-Identifier: MIT
// The programs of tiles on the emulated GPU, block after block, in either order.
#pragma once
#include <modelgrow/backend/cuda/tiles/operations.cuh>

#include "tests/cuda_on_host/support/emulated.hpp"
#include "tests/support/parity.hpp"

namespace modelgrow::testing {

struct TileExecutorOnHost : kernels::HostExecutor {
  static inline int launches = 0;
  static inline bool last_first = false;
  template <class Program, class... A>
  static void run_tiles(kernels::Index blocks, A... a) {
    const emulator::Arena::Open open(Emulated::arena());
    ++launches;
    for (kernels::Index i = 0; i < blocks; ++i) Program{a...}(last_first ? blocks - 1 - i : i);
  }
};

/// The emulated GPU has its tile kernels in use for as long as it lives.
class WithTileKernels {
 public:
  WithTileKernels() {
    using Operations = kernels::TileOperations<TileExecutorOnHost>;
    in_use() = {
        .attention = Operations::attention, .attention_dx = Operations::attention_dx, .convolve = Operations::convolve};
    TileExecutorOnHost::launches = 0;
  }
  ~WithTileKernels() { in_use() = {}; }
  WithTileKernels(const WithTileKernels&) = delete;
  WithTileKernels& operator=(const WithTileKernels&) = delete;
  int launches() const { return TileExecutorOnHost::launches; }

 private:
  static kernels::TileKernels<kernels::HostExecutor>& in_use() {
    return kernels::TileKernels<kernels::HostExecutor>::in_use;
  }
};

}  // namespace modelgrow::testing

/// Parity is checked with the first block first, and with the last.
template <>
struct modelgrow::testing::Modes<modelgrow::Emulated> {
  template <class F>
  static void for_each(F&& f) {
    for (const bool last_first : {false, true}) {
      TileExecutorOnHost::last_first = last_first;
      f();
    }
    TileExecutorOnHost::last_first = false;
  }
};
