// SPDX-License-Identifier: MIT
// A GPU for each process of a machine, whether the launcher shows every process all of them or its own only. Not yet
// run on hardware.
#pragma once
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include <modelgrow/backend/cuda/check.cuh>
#include <modelgrow/dist/gather_texts.hpp>

namespace modelgrow::inline v0 {

/// Makes a GPU of its own the current one of this rank and returns its number: ranks that see the same GPUs of the same
/// machine share them out in the order of their numbers. Called by all ranks, before anything is on a GPU. Throws
/// device_error on every rank when a machine has more ranks than GPUs, and communication_error.
template <Communicator C>
int take_own_gpu(C& ranks) {
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  std::string seen = host;
  int gpus = 0;
  if (cudaGetDeviceCount(&gpus) != cudaSuccess) gpus = 0;
  for (int g = 0; g < gpus; ++g) {
    char bus[32] = {};
    kernels::check(cudaDeviceGetPCIBusId(bus, sizeof bus, g), "asking for the place of a GPU");
    seen += std::string(" ") + bus;
  }
  const auto all = gather_texts(ranks, seen);
  for (std::size_t r = 0; r < all.size(); ++r) {
    const auto there = std::ranges::count(all[r], ' ');
    if (const auto of_them = std::ranges::count(all, all[r]); of_them > there)
      throw device_error("rank " + std::to_string(r) + " is one of " + std::to_string(of_them) + " on '" +
                         all[r].substr(0, all[r].find(' ')) + "' that see " + std::to_string(there) +
                         " GPUs: start as many ranks as a machine has GPUs");
  }
  const int own = int(std::count(all.begin(), all.begin() + ranks.rank(), seen));
  kernels::check(cudaSetDevice(own), "choosing a GPU");
  return own;
}

}  // namespace modelgrow::inline v0
