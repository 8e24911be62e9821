// SPDX-License-Identifier: MIT
// Ranks talk without a backend, a model or the compiled library.
#include <modelgrow/dist/mpi.hpp>

int main() {
  modelgrow::Mpi ranks;
  const auto one = modelgrow::Tensor<float, modelgrow::Cpu>::from({1}, std::vector<float>{1});
  ranks.all_reduce(one, modelgrow::Sums::ordered).wait();
  return one.data()[0] == float(ranks.size()) ? 0 : 1;
}
