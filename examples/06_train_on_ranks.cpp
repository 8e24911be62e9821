// SPDX-License-Identifier: MIT
// One model trained by all processes that `mpirun -n 4 06_train_on_ranks` starts, and grown on the way. It prints the
// same with any number of them; started by itself it is a group of one.
#include <iostream>
#include <modelgrow/dist/mpi.hpp>
#include <modelgrow/expand.hpp>
#include <modelgrow/nn.hpp>
#include <modelgrow/train.hpp>
namespace mg = modelgrow;
using Model = mg::Stdit<float, mg::Cpu>;
using Trainer = mg::Trainer<Model, float, mg::Cpu>;

// Stands for your data: micro-batch i, of whichever rank computes it.
mg::Var<float, mg::Cpu> loss(mg::Tape<float, mg::Cpu>& tape, Model& model, std::int64_t i) {
  const mg::Rng rng(std::uint64_t(i) + 1);
  const auto clip = mg::gaussian_noise<float>({2, 3, 4, 8, 8}, rng), time = mg::gaussian_noise<float>({2}, rng);
  const auto lengths = mg::Tensor<int, mg::Cpu>::from({2}, std::vector<int>{5, 3});
  const mg::TextStates<float, mg::Cpu> text{tape.constant(mg::gaussian_noise<float>({2, 5, 16}, rng)), lengths, {}};
  return mg::mse(tape, model.forward(tape, tape.constant(clip), time, text), clip);
}

int main() {
  mg::Mpi ranks;
  Model model({.input_size = {4, 8, 8},
               .in_channels = 3,
               .hidden_size = 32,
               .depth = 2,
               .num_heads = 2,
               .pred_sigma = false,
               .caption_channels = 16,
               .model_max_length = 8});
  mg::initialise(model, 1);
  Trainer trainer(model, {.steps = 20, .micro_batches = 4, .schedule = {.peak = 1e-3}, .ema = mg::EmaOptions{}});
  mg::distribute(trainer, ranks, {.state = mg::DistributedOptions::State::sharded, .sums = mg::Sums::ordered});
  trainer.at(10, [&](const mg::StepReport&) {
    trainer.gather();  // moments and averages grow with the model, and are cut anew
    auto plan = mg::plan(model, mg::InsertBlocks{.every = 1});
    mg::grow(plan, model, trainer.optimizer(), *trainer.ema());
  });
  trainer.every(1, [&](const mg::StepReport& r) {
    if (trainer.leads()) std::cout << "step " << r.step << ", loss " << r.loss << "\n";
  });
  trainer.run([&](auto& tape, std::int64_t i) { return loss(tape, model, i); });
}
