// SPDX-License-Identifier: MIT
// A model family of your own: layers with axes over named spaces, listed once. Every operator then works on it.
#include <iostream>
#include <modelgrow/expand.hpp>
#include <modelgrow/nn/initialise.hpp>
#include <modelgrow/nn/mlp.hpp>
namespace mg = modelgrow;

template <class D>
struct MyModel {
  static constexpr std::string_view family = "my_model";
  mg::Space width{"width", 64}, units{"units", 256};
  mg::Linear<float, D> embed{width, 16}, head{16, width};
  std::vector<mg::Mlp<float, D>> blocks;  // x += fc2(gelu(fc1(x))): fc2 writes to the residual stream
  MyModel() : blocks(4, mg::Mlp<float, D>(width, units, width, mg::Init::xavier(), mg::Writes::residual)) {}

  static void describe(auto& self, auto& v) {
    v.space(self.width, {.copies = mg::Copies::uniform, .because = "a norm runs over it"});
    v.space(self.units, {});
    v.child("embed", self.embed);
    v.stack("blocks", self.blocks);
    v.child("head", self.head);
  }
};

int main() {
  MyModel<mg::Cpu> model;
  mg::initialise(model, 1);
  mg::save("model.safetensors", model);  // stands for your checkpoint
  auto in = mg::Checkpoint::open("model.safetensors");
  std::cout << mg::plan(mg::schema(MyModel<mg::Meta>()), mg::InsertBlocks{.every = 2},
                        mg::Net2Wider{.space = "width", .to = 128})
                   .write(in, "grown");
}
