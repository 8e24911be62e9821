// SPDX-License-Identifier: MIT
// One process alone: every collective operation has ended before it begins.
#pragma once
#include <string_view>

#include <modelgrow/dist/communicator.hpp>

namespace modelgrow::inline v0 {

/// A group of one.
class Single {
 public:
  int rank() const { return 0; }
  int size() const { return 1; }
  /// Calls are counted; nothing is ever sent.
  const Traffic& traffic() const { return traffic_; }

  template <class T, Device D>
  Pending all_reduce(const Tensor<T, D>&, Sums = Sums::fast) {
    return called();
  }
  template <class T, Device D>
  Pending reduce_scatter(const Tensor<T, D>& values, const Cuts& cuts, Sums = Sums::fast) {
    cuts.require(values.size(), size());
    return called();
  }
  template <class T, Device D>
  Pending all_gather(const Tensor<T, D>& values, const Cuts& cuts) {
    cuts.require(values.size(), size());
    return called();
  }
  template <class T, Device D>
  Pending all_to_all(const Tensor<T, D>& sent, const Cuts& cuts, const Tensor<T, D>& received, const Cuts& of) {
    cuts.require(sent.size(), size());
    of.require(received.size(), size());
    if (sent.size() != received.size())
      throw shape_error("all_to_all: this rank has " + std::to_string(sent.size()) + " elements for itself and takes " +
                        std::to_string(received.size()));
    D::copy(received.data(), sent.data(), sent.bytes());
    return called();
  }
  template <class T, Device D>
  Pending broadcast(const Tensor<T, D>&, int = 0) {
    return called();
  }
  Pending barrier() { return called(); }
  /// Throws communication_error: there is nobody else to end.
  [[noreturn]] void abort(std::string_view why) { throw communication_error(std::string(why)); }

 private:
  Pending called() {
    ++traffic_.calls;
    return {};
  }
  Traffic traffic_;
};

}  // namespace modelgrow::inline v0
