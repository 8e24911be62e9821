// SPDX-License-Identifier: MIT
// Kernels of several kinds; the test looks at what nvcc made of them, for which no GPU is needed.
#include <modelgrow/backend/cuda.cuh>

using modelgrow::bf16;
using OnDevice = modelgrow::Backend<modelgrow::Cuda>;

int main() {
  const modelgrow::AttentionSize none{};
  OnDevice::attention<bf16>(none, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr);
  OnDevice::attention_dx<bf16>(none, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
                               nullptr);
  OnDevice::norm_modulate<bf16>({}, 1e-6, nullptr, nullptr, 0, 1, nullptr, nullptr, nullptr);
  OnDevice::add<float>(0, nullptr, nullptr, nullptr);
}
