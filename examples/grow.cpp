// SPDX-License-Identifier: MIT
// The first minute of the main job: grow a pretrained text-to-video model and prove that nothing changed.
#include <iostream>

#include "support/growth.hpp"
#include "support/options.hpp"

int main(int argc, char** argv) {
  CLI::App app{"Grows a pretrained text-to-video model and proves that nothing changed."};
  example::GrowthOptions o;
  example::add_options(app, o);
  CLI11_PARSE(app, argc, argv);
  try {
    modelgrow::Ranks alone;
    example::grow_and_check(o, alone);
    return 0;
  } catch (const std::exception& e) {
    std::cerr << "grow: " << e.what() << std::endl;
    return 1;
  }
}
