// SPDX-License-Identifier: MIT
// The ranks of MPI. A program that no launcher has started does not begin it.
#include "../together.hpp"

#include <iostream>
#include <string>

#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/dist/gather_texts.hpp>
#include <modelgrow/dist/mpi.hpp>
#include <modelgrow/train/distributed.hpp>

namespace example {

struct Together::Group {
  mg::Mpi mpi;
};

Together::Together() : ranks_(std::make_unique<mg::Ranks>()) {
  if (!mg::launched_by_mpi()) return;
  group_ = std::make_unique<Group>();
  mg::Mpi& mpi = group_->mpi;
  ranks_ = std::make_unique<mg::Ranks>(mpi.rank(), mpi.size(),
                                       [&mpi](const std::string& own) { return mg::gather_texts(mpi, own); });
  if (!ranks_->first()) std::cout.setstate(std::ios::badbit);
}
Together::~Together() {
  if (group_) ranks_->all();  // without using the processor, which others may need
}

void Together::share(mg::Trainer<Model, float, Device>& trainer) const {
  if (group_) mg::distribute(trainer, group_->mpi);
}

int Together::fail(std::string_view program, const std::exception& why) const {
  const std::string said = std::string(program) + ": " + why.what();
  if (group_ && group_->mpi.size() > 1) group_->mpi.abort(said);
  std::cerr << said << std::endl;
  return 1;
}

}  // namespace example
