// SPDX-License-Identifier: MIT
// What a group of processes must offer to those who compute together: collective operations on tensors. Every rank
// calls the same ones in the same order; each begins at once and returns a handle.
#pragma once
#include <concepts>

#include <modelgrow/dist/cuts.hpp>
#include <modelgrow/dist/pending.hpp>
#include <modelgrow/dist/traffic.hpp>

namespace modelgrow::inline v0 {

/// Whether a sum may be taken in any order, or is that of TreeSum over the ranks 0, 1, .. to the last bit.
enum class Sums { fast, ordered };

/// A group of processes, as one of them sees it. Tensors are contiguous and on device D; operations keep them alive
/// until they have ended. Sums are of float or double; those of 16 bits are taken in float and rounded once.
///   all_reduce(x, sums)          x becomes the sum of the x of all ranks
///   reduce_scatter(x, cuts, sums) one's own part of x becomes the sum; what the others then hold is not defined
///   all_gather(x, cuts)          every part of x becomes that of its rank
///   all_to_all(x, cuts, y, of)   part r of y becomes what rank r had in the part of this rank of its x
///   broadcast(x, root)           x becomes the x of rank `root`
///   barrier()                    ends when all ranks have called it
/// All but sums take elements of any type that is copied by its bytes. They throw communication_error that names the
/// call and the rank, and shape_error where cuts do not fit; bytes and messages are counted in traffic(). abort(why)
/// ends the program of every rank.
template <class C, class D = Cpu>
concept Communicator = Device<D> && requires(C& c, const C& constant, const Tensor<float, D>& x,
                                             const Tensor<double, D>& y, const Cuts& cuts, Sums sums, int root) {
  { constant.rank() } -> std::same_as<int>;
  { constant.size() } -> std::same_as<int>;
  { constant.traffic() } -> std::same_as<const Traffic&>;
  { c.all_reduce(x, sums) } -> std::same_as<Pending>;
  { c.all_reduce(y, sums) } -> std::same_as<Pending>;
  { c.reduce_scatter(x, cuts, sums) } -> std::same_as<Pending>;
  { c.all_gather(x, cuts) } -> std::same_as<Pending>;
  { c.all_to_all(x, cuts, x, cuts) } -> std::same_as<Pending>;
  { c.broadcast(x, root) } -> std::same_as<Pending>;
  { c.barrier() } -> std::same_as<Pending>;
  c.abort("why");
};

}  // namespace modelgrow::inline v0
