// SPDX-License-Identifier: MIT
// The gradients of a model in the memory of buckets: the tape adds them up where they are sent from.
#pragma once
#include <algorithm>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <modelgrow/core/describe.hpp>
#include <modelgrow/train/buckets.hpp>

namespace modelgrow::inline v0 {

/// Buckets with the gradients of all trained parameters of a model, in the order of the description.
template <class T, Device D>
class GradientBuckets {
 public:
  using S = Stat<T>;

  /// Gradients move here, with what they hold, into buckets of at most so many bytes.
  template <class M>
  void pack(M& model, std::int64_t bytes, int ranks);
  /// Whether the model's trained parameters are those that were packed.
  template <class M>
  bool hold(M& model) const {
    std::size_t t = 0;
    bool same = true;
    for_each_parameter(model, [&](const std::string& path, const Parameter<T, D>& p) {
      if (!packed(p)) return;
      same = same && t < paths_.size() && paths_[t] == path && gradients_[t].data() == p.gradient.data() &&
             gradients_[t].shape() == p.value.shape();
      ++t;
    });
    return same && t == paths_.size();
  }
  static bool packed(const Parameter<T, D>& p) { return p.trained() && p.value.size() > 0; }

  const std::vector<Bucket>& buckets() const { return buckets_; }
  /// The elements of a bucket.
  const Tensor<S, D>& memory(std::size_t bucket) const { return memory_[bucket]; }
  std::size_t tensors() const { return paths_.size(); }
  const std::string& path(std::size_t tensor) const { return paths_[tensor]; }
  const Tensor<S, D>& gradient(std::size_t tensor) const { return gradients_[tensor]; }
  std::size_t bucket_of(std::size_t tensor) const { return bucket_of_[tensor]; }
  /// The number of the parameter whose gradient adds up there; there is one.
  std::size_t tensor_at(const S* gradient) const { return at_.at(gradient); }
  /// The rows of a parameter that are a rank's.
  RowRange rows_of(std::size_t tensor, int rank) const {
    const Cuts& cuts = buckets_[bucket_of_[tensor]].cuts;
    const BucketSlot& slot = *slots_[tensor];
    return {.first = slot.row_at(cuts.begin(rank)), .last = slot.row_at(cuts.begin(rank) + cuts.size(rank))};
  }
  /// The same for all of them.
  RowsByPath rows_of(int rank) const {
    RowsByPath rows;
    for (std::size_t t = 0; t < tensors(); ++t) rows.emplace(paths_[t], rows_of(t, rank));
    return rows;
  }

  /// Whether a loss of some rank has ever used the parameter: others take no step.
  bool used(std::size_t tensor) const { return used_.contains(paths_[tensor]); }
  void set_used(std::size_t tensor) { used_.insert(paths_[tensor]); }

  void zero() const {
    for (Tensor<S, D> m : memory_) m.zero();
  }

 private:
  std::vector<Bucket> buckets_;
  std::vector<Tensor<S, D>> memory_;
  std::vector<std::string> paths_;
  std::vector<Tensor<S, D>> gradients_;
  std::vector<std::size_t> bucket_of_;
  std::vector<const BucketSlot*> slots_;
  std::unordered_map<const S*, std::size_t> at_;
  std::set<std::string, std::less<>> used_;
};

template <class T, Device D>
template <class M>
void GradientBuckets<T, D>::pack(M& model, std::int64_t bytes, int ranks) {
  std::vector<Parameter<T, D>*> parameters;
  std::vector<MatrixSize> sizes;
  paths_.clear();
  for_each_parameter(model, [&](const std::string& path, Parameter<T, D>& p) {
    const bool was_here = p.gradient.defined() && at_.contains(p.gradient.data());
    if (p.gradient.defined() && !was_here) used_.insert(path);
    if (packed(p)) {
      paths_.push_back(path);
      parameters.push_back(&p);
      sizes.push_back(matrix_size(p.value.shape()));
    } else if (was_here) {
      p.gradient = {};
    }
  });
  buckets_ = pack_buckets(sizes, bucket_elements(sizes, bytes, sizeof(S)), ranks);
  bucket_of_.assign(sizes.size(), 0);
  slots_.assign(sizes.size(), nullptr);
  gradients_.assign(sizes.size(), {});
  memory_.clear();
  at_.clear();
  for (std::size_t b = 0; b < buckets_.size(); ++b) {
    memory_.push_back(Tensor<S, D>::zeros(Shape{buckets_[b].size}));
    for (const BucketSlot& slot : buckets_[b].slots) {
      Parameter<T, D>& p = *parameters[slot.tensor];
      const Tensor<S, D> gradient = memory_[b].view(slot.offset, p.value.shape());
      if (p.gradient.defined()) D::copy(gradient.data(), p.gradient.data(), gradient.bytes());
      p.gradient = gradient;
      gradients_[slot.tensor] = gradient;
      bucket_of_[slot.tensor] = b;
      slots_[slot.tensor] = &slot;
      at_.emplace(gradient.data(), slot.tensor);
    }
  }
}

}  // namespace modelgrow::inline v0
