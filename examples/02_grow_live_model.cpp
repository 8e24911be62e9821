// SPDX-License-Identifier: MIT
// Grows a model in the middle of its training: weights, Adam moments and averages by one plan, all or nothing.
#include <iostream>
#include <modelgrow/expand.hpp>
#include <modelgrow/nn.hpp>
#include <modelgrow/train.hpp>
namespace mg = modelgrow;
using Model = mg::Stdit<float, mg::Cpu>;

mg::Var<float, mg::Cpu> loss(mg::Tape<float, mg::Cpu>& tape, Model& model) {  // stands for your data
  const mg::Rng rng(1);
  const auto clip = mg::gaussian_noise<float>({2, 3, 4, 8, 8}, rng), time = mg::gaussian_noise<float>({2}, rng);
  const auto lengths = mg::Tensor<int, mg::Cpu>::from({2}, std::vector<int>{5, 3});
  const mg::TextStates<float, mg::Cpu> text{tape.constant(mg::gaussian_noise<float>({2, 5, 16}, rng)), lengths, {}};
  return mg::mse(tape, model.forward(tape, tape.constant(clip), time, text), clip);
}

int main() {
  Model model({.input_size = {4, 8, 8},
               .in_channels = 3,
               .hidden_size = 32,
               .depth = 2,
               .num_heads = 2,
               .pred_sigma = false,
               .caption_channels = 16,
               .model_max_length = 8});
  mg::initialise(model, 1);
  mg::AdamW<float, mg::Cpu> optimizer(model, {.weight_decay = 0.01});
  mg::Ema<float, mg::Cpu> ema(model, optimizer, {.decay = 0.99});
  mg::Tape<float, mg::Cpu> tape;
  for (int step = 0; step < 20; ++step) {
    if (step == 10) {
      auto plan =
          mg::plan(model, mg::InsertBlocks{.every = 1}, mg::Net2Wider{.space = "ffn", .to = 200, .noise_db = 20});
      std::cout << mg::grow(plan, model, optimizer, ema);
    }
    const auto l = loss(tape, model);
    tape.backward(l);
    optimizer.step(model, 1e-3);
    ema.update(model, optimizer);
    std::cout << "step " << step << ", loss " << l.data()[0] << "\n";
  }
}
