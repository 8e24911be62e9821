// SPDX-License-Identifier: MIT
// The proofs of all tensors of some files, fed by windows: parts of files that lie in memory, in any order and from any
// thread.
#pragma once
#include <deque>
#include <memory>
#include <mutex>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/promises.hpp>
#include <modelgrow/grow/proof_feed.hpp>

namespace modelgrow::inline v0::detail {

/// A part of a tensor in a window.
struct TensorPiece {
  std::size_t tensor;
  std::uint64_t begin;  // in the tensor
  std::span<std::byte> bytes;
};
/// The pieces in the bytes of a file from `at` on, whose tensors are numbered from `first` on and begin at `begin`,
/// which ends with the end of the last.
std::vector<TensorPiece> pieces_of(const std::vector<std::uint64_t>& begin, std::size_t first, std::uint64_t at,
                                   std::span<std::byte> bytes);

class WindowProofs {
 public:
  /// Keeps a reference.
  explicit WindowProofs(const Promises& promises) : promises_(promises) {}

  /// The number of one more tensor.
  std::size_t add(const NamedShape& tensor);
  /// Other processes prove all tensors, but those that are taken.
  void share();
  /// This one proves a tensor. Before its first piece.
  void take(std::size_t tensor);

  /// Before the first piece of a tensor, as often as one likes. Throws check_error for what its shape or type shows.
  void prepare(std::size_t tensor);
  /// Bytes of a piece that are checked together.
  std::uint64_t unit(std::size_t tensor) const;
  /// Checks a piece. Throws check_error.
  void piece(std::size_t tensor, std::uint64_t begin, std::span<const std::byte> bytes);
  /// The tensor that the numbers of this one come from, if any and if it is checked by pieces.
  const TensorView* old(std::size_t tensor) const;
  /// So many bytes of it were checked; true after the last. Throws check_error.
  bool done(std::size_t tensor, std::uint64_t bytes);
  /// Of a tensor without bytes. Throws check_error.
  void empty(std::size_t tensor);

  /// Ends the proofs with what could not be checked in windows. Throws check_error, also where a part of a tensor is
  /// missing.
  std::vector<Verdict> verdicts(const TensorSet& grown);
  /// Judges them, once they are all there. Throws check_error.
  FileCheck check(const TensorSet& grown) { return promises_.judge(verdicts(grown)); }

 private:
  struct Tensor {
    NamedShape target;
    std::mutex mutex = {};
    std::unique_ptr<TensorProof> proof = {};
    std::unique_ptr<ProofFeed> feed = {};
    std::uint64_t left = 0;  // bytes
    bool prepared = false;
    bool whole = false;  // its proof needs more of it at once than fits in memory
    bool own = true;     // to be proven by this process
  };
  void finish(Tensor& tensor);

  const Promises& promises_;
  std::deque<Tensor> tensors_;
  std::mutex mutex_;
  std::vector<Verdict> verdicts_;
};

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/window_proofs_inl.hpp>
#endif
