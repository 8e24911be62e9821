// SPDX-License-Identifier: MIT
// Bytes of a tensor on their way to its proof, which wants whole units.
#pragma once
#include <map>
#include <vector>

#include <modelgrow/core/parallel.hpp>
#include <modelgrow/grow/tensor_proof.hpp>

namespace modelgrow::inline v0::detail {

/// Takes the pieces of one tensor in any order and from any thread; what does not fill a unit waits for its rest.
class ProofFeed {
 public:
  explicit ProofFeed(TensorProof& proof) : proof_(proof), unit_(proof.unit()) {}

  /// Bytes from `begin` of the tensor on. Throws check_error.
  void piece(std::uint64_t begin, std::span<const std::byte> bytes) {
    if (const std::uint64_t over = begin % unit_; over > 0 && !bytes.empty()) {
      const auto n = std::min<std::uint64_t>(unit_ - over, bytes.size());
      part(begin / unit_, over, bytes.first(n));
      begin += n;
      bytes = bytes.subspan(n);
    }
    const std::uint64_t whole = bytes.size() / unit_ * unit_;
    if (whole > 0) proof_.check(std::int64_t(begin / unit_), bytes.first(whole));
    if (whole < bytes.size()) part((begin + whole) / unit_, 0, bytes.subspan(whole));
  }

 private:
  struct Waiting {
    std::vector<std::byte> bytes;
    std::uint64_t filled = 0;
  };
  void part(std::uint64_t unit, std::uint64_t offset, std::span<const std::byte> bytes) {
    std::unique_lock lock(mutex_);
    auto& waiting = waiting_[unit];
    waiting.bytes.resize(unit_);
    std::memcpy(waiting.bytes.data() + offset, bytes.data(), bytes.size());
    waiting.filled += bytes.size();
    if (waiting.filled < unit_) return;
    const auto complete = std::move(waiting.bytes);
    waiting_.erase(unit);
    lock.unlock();
    proof_.check(std::int64_t(unit), complete);
  }

  TensorProof& proof_;
  std::uint64_t unit_;
  std::mutex mutex_;
  std::map<std::uint64_t, Waiting> waiting_;
};

/// All of a tensor that lies in memory, on all cores. Throws check_error.
inline void prove(TensorProof& proof, std::span<const std::byte> bytes) {
  const std::uint64_t unit = proof.unit();
  const std::uint64_t step =
      std::max<std::uint64_t>(1, (std::uint64_t{1} << 20) / std::max<std::uint64_t>(1, unit)) * unit;
  if (bytes.empty()) return;
  parallel_tasks(std::int64_t((bytes.size() + step - 1) / step), 0, [&] {
    return [&](std::int64_t i) {
      const std::uint64_t begin = std::uint64_t(i) * step;
      proof.check(std::int64_t(begin / unit),
                  bytes.subspan(begin, std::min<std::uint64_t>(step, bytes.size() - begin)));
    };
  });
}

}  // namespace modelgrow::inline v0::detail
