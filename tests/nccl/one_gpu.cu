// SPDX-License-Identifier: MIT
// NCCL itself on the GPU that is there, as a group of one: every operation, and a model trained by it as without.
#include <modelgrow/cuda.cuh>
#include <modelgrow/dist/nccl.cuh>
#include <modelgrow/dist/own_gpu.cuh>
#include <modelgrow/dist/single.hpp>
#include <modelgrow/train/distributed.hpp>

#include "tests/support/gpu.cuh"
#include "tests/support/same_bits.hpp"
#include "tests/train/tiny_model.hpp"

using namespace modelgrow;
using testing::same_bits;

static_assert(Communicator<Nccl, Cuda>);

namespace {

template <class T>
void check_operations(Nccl& gpu) {
  const auto values = Tensor<T, Cpu>::from({4}, std::vector<T>{T(1.0f), T(-2.0f), T(0.5f), T(8.0f)});
  const Tensor<T, Cuda> x = to_device<Cuda>(values);
  const Cuts all = Cuts::even(4, 1);
  for (const Sums sums : {Sums::fast, Sums::ordered}) {
    gpu.all_reduce(x, sums).wait();
    gpu.reduce_scatter(x, all, sums).wait();
  }
  gpu.all_gather(x, all).wait();
  gpu.broadcast(x, 0).wait();
  const auto y = Tensor<T, Cuda>::zeros({4});
  gpu.all_to_all(x, all, y, all).wait();
  gpu.barrier().wait();
  CHECK(same_bits(to_cpu(x), values));
  CHECK(same_bits(to_cpu(y), values));
}

template <class C>
std::vector<Tensor<float, Cpu>> trained(C& group, Sums sums) {
  tiny::Pair<float, Cuda> model;
  Trainer<tiny::Pair<float, Cuda>, float, Cuda> trainer(
      model, {.steps = 4, .micro_batches = 2, .schedule = {.peak = 1e-3}, .adamw = {.clip_norm = 1.0}});
  distribute(trainer, group, {.state = DistributedOptions::State::sharded, .sums = sums});
  trainer.run([&](auto& tape, std::int64_t i) { return tiny::loss(model, tape, i); });
  std::vector<Tensor<float, Cpu>> weights;
  for_each_parameter(model, [&](const std::string&, const auto& p) { weights.push_back(to_cpu(p.value)); });
  return weights;
}

}  // namespace

TEST_CASE("a group of one GPU does every operation") {
  if (!testing::gpu_present()) return;
  Single one;
  CHECK(take_own_gpu(one) == 0);
  Nccl gpu(one);
  check_operations<float>(gpu);
  check_operations<double>(gpu);
  check_operations<bf16>(gpu);
}

TEST_CASE("a group of one GPU trains as one without a group") {
  if (!testing::gpu_present()) return;
  Single one;
  Nccl gpu(one);
  for (const Sums sums : {Sums::fast, Sums::ordered}) CHECK(same_bits(trained(gpu, sums), trained(one, sums)));
}
