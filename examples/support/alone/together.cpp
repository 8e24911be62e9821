// SPDX-License-Identifier: MIT
// Without MPI every program is alone.
#include "../together.hpp"

#include <iostream>

namespace example {

struct Together::Group {};

Together::Together() : ranks_(std::make_unique<mg::Ranks>()) {}
Together::~Together() = default;

void Together::share(mg::Trainer<Model, float, Device>&) const {}

int Together::fail(std::string_view program, const std::exception& why) const {
  std::cerr << program << ": " << why.what() << std::endl;
  return 1;
}

}  // namespace example
