// SPDX-License-Identifier: MIT
// Every program of tiles, for scripts/check-tiles: nothing here runs.
#include <modelgrow/backend/cuda_tiles.cuh>

bool every_tile_kernel() { return modelgrow::use_tile_kernels(); }
