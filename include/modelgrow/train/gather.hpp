// SPDX-License-Identifier: MIT
// Every rank gets what the others have of their rows: the sums of gradients, or the weights that were stepped.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/dist/communicator.hpp>
#include <modelgrow/train/gradient_buckets.hpp>

namespace modelgrow::inline v0 {

/// Every gradient becomes whole.
template <class C, class T, Device D>
requires Communicator<C, D>
void gather_gradients(C& ranks, const GradientBuckets<T, D>& gradients) {
  std::vector<Pending> pending;
  for (std::size_t b = 0; b < gradients.buckets().size(); ++b)
    pending.push_back(ranks.all_gather(gradients.memory(b), gradients.buckets()[b].cuts));
  for (Pending& p : pending) p.wait();
}

/// All values become whole, by way of the memory of the gradients, which then hold nothing of use.
template <class C, class M, class T, Device D>
requires Communicator<C, D>
void gather_weights(C& ranks, const GradientBuckets<T, D>& gradients, M& model) {
  std::vector<Tensor<T, D>> values;
  for_each_parameter(model, [&](const std::string&, const Parameter<T, D>& p) {
    if (gradients.packed(p)) values.push_back(p.value);
  });
  std::vector<Tensor<T, D>> gathered;
  std::vector<Pending> pending;
  for (std::size_t b = 0; b < gradients.buckets().size(); ++b) {
    const Bucket& bucket = gradients.buckets()[b];
    const Tensor<Stat<T>, D> memory = gradients.memory(b);
    gathered.emplace_back(Shape{bucket.size}, std::shared_ptr<void>(memory.data(), [memory](void*) {}));
    for (const BucketSlot& slot : bucket.slots) {
      const auto [first, last] = gradients.rows_of(slot.tensor, ranks.rank());
      const std::int64_t begin = first * slot.columns, count = (last - first) * slot.columns;
      D::copy(gathered[b].data() + slot.offset + begin, values[slot.tensor].data() + begin,
              sizeof(T) * std::size_t(count));
    }
    pending.push_back(ranks.all_gather(gathered[b], bucket.cuts));
  }
  for (std::size_t b = 0; b < pending.size(); ++b) {
    pending[b].wait();
    for (const BucketSlot& slot : gradients.buckets()[b].slots) {  // rows of ranks before and behind this one
      const auto [first, last] = gradients.rows_of(slot.tensor, ranks.rank());
      for (const auto& [begin, end] : {std::pair(std::int64_t(0), first), std::pair(last, slot.rows)})
        D::copy(values[slot.tensor].data() + begin * slot.columns,
                gathered[b].data() + slot.offset + begin * slot.columns,
                sizeof(T) * std::size_t((end - begin) * slot.columns));
    }
  }
}

}  // namespace modelgrow::inline v0
