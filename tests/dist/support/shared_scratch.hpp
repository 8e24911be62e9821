// SPDX-License-Identifier: MIT
// A directory that all ranks see.
#pragma once
#include <modelgrow/dist/gather_texts.hpp>

#include <optional>

#include "tests/dist/support/ranks.hpp"
#include "tests/support/scratch.hpp"

namespace modelgrow::testing {

/// An empty directory that the first rank makes, and that vanishes when the last of them leaves it.
class SharedScratch {
 public:
  SharedScratch() {
    if (ranks().rank() == 0) own_.emplace();
    path_ = gather_texts(ranks(), own_ ? own_->path().string() : "")[0];
  }
  ~SharedScratch() { ranks().barrier().wait(); }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }
  /// Number of entries, hidden ones included.
  long entries() const {
    ranks().barrier().wait();
    const auto n = std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator());
    ranks().barrier().wait();
    return n;
  }

 private:
  std::optional<Scratch> own_;
  std::filesystem::path path_;
};

}  // namespace modelgrow::testing
