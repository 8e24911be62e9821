// SPDX-License-Identifier: MIT
// The tensors of one part of a growth on their way into files: made by pieces, and proven while they are near.
#pragma once
#include <deque>
#include <memory>
#include <mutex>

#include <modelgrow/checkpoint/stored_optimizer.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/maker.hpp>
#include <modelgrow/grow/window_proofs.hpp>

namespace modelgrow::inline v0::detail {

/// Stays where it is: tensors point into it.
class ProvenTensors {
 public:
  /// Keeps references to plan and outputs. `where` begins errors. Throws check_error where outputs are not what the
  /// plan promises.
  ProvenTensors(const Plan& plan, Contents contents, TensorSet old, const std::vector<Output>& outputs,
                std::string where);
  ProvenTensors(ProvenTensors&&) = delete;

  /// What they are made from.
  const TensorSet& old() const { return old_; }
  std::size_t size() const { return tensors_.size(); }
  const Output& output(std::size_t i) const { return *tensors_[i].output; }

  /// Only outputs that are taken from now on are proven here; other processes prove the others.
  void share() { proofs_.share(); }
  /// This one proves an output.
  void take(std::size_t output) { proofs_.take(output); }

  /// Makes and proves the bytes of an output from `begin` on, which begin and end with an element; `there`: they are
  /// made already. From any thread, each of them once. Throws check_error, io_error, and what Maker throws.
  void make(std::size_t output, std::uint64_t begin, std::span<std::byte> bytes, bool there = false);
  /// Makes them and proves nothing.
  void only_make(std::size_t output, std::uint64_t begin, std::span<std::byte> bytes);
  /// What has no bytes. Throws check_error.
  void empty(std::size_t output) { proofs_.empty(output); }

  /// An output as a tensor under its name, which is to be read once.
  JoinedTensor tensor(std::size_t output);

  /// Ends the proof, once all were read. `grown` are the same tensors where they were written, for proofs that need
  /// more of one than lies in memory. Throws check_error.
  FileCheck check(const TensorSet& grown) { return judge(verdicts(grown)); }
  /// The first half of it, of what was not left to others.
  std::vector<Verdict> verdicts(const TensorSet& grown) { return proofs_.verdicts(grown); }
  /// The second half, of all tensors. Throws check_error.
  FileCheck judge(std::vector<Verdict> all) const { return promises_.judge(std::move(all)); }

 private:
  struct Making {
    const Output* output = nullptr;
    std::mutex mutex = {};
    std::unique_ptr<Maker> maker = {};
  };
  const Maker& maker(Making& t) const;
  std::span<const std::byte> prepare(const Making& t, const Maker& maker, std::uint64_t begin, std::uint64_t end) const;

  const Plan& plan_;
  TensorSet old_;
  Promises promises_;
  WindowProofs proofs_;
  std::deque<Making> tensors_;
};

/// Throws check_error unless a tensor was written as it was promised, and its bytes begin at `place` of its file.
void check_place(const JoinedTensor& written, const NamedShape& promised, std::uint64_t place,
                 const std::string& where);
/// The same for all tensors of a state, whose places are in the order of parameters and entries; numbers are compared.
void check_places(const StoredOptimizer& written, const StoredOptimizer& promised,
                  std::span<const std::uint64_t> places, const std::string& where);

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/proven_tensors_inl.hpp>
#endif
