// SPDX-License-Identifier: MIT
// The second half of sums over rows: parts that other kernels have left are added up, those of many sums in one launch.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include <modelgrow/backend/cuda/tensor_table.hpp>
#include <modelgrow/core/tensor.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// Where a sum goes: out[g * group_stride + c * column_stride] +=; null: nowhere.
template <class A>
struct ColumnSumsOut {
  A* out[2];
  Index group_stride, column_stride;
};

/// Whether no value of a sum [groups, columns] at `a` is one of those at `b`, which lies as it does.
template <class A>
bool apart(const A* a, const A* b, Index groups, Index columns, Index group_stride, Index column_stride) {
  if (!a || !b) return true;
  const Index distance = std::abs(a - b), row = (columns - 1) * column_stride + 1;
  if (distance >= (groups - 1) * group_stride + row) return true;
  const Index within = group_stride > 0 ? distance % group_stride : 0;
  return within >= row && within + row <= group_stride;
}

/// One or two sums in parts: partial[s, g, part, c].
template <class A>
struct ColumnSumParts {
  Index sums, groups, columns, parts;
  ColumnSumsOut<A> to;
  const A* partial = nullptr;
  Index size = 0;  // in blocks, set by WaitingSums
  MODELGROW_HOST_DEVICE Index tiles() const { return ceil_div(columns, warp_size); }
  Index blocks() const { return sums * groups * tiles(); }
  bool apart_from(const ColumnSumParts& other) const {
    const bool alike = groups == other.groups && columns == other.columns && to.group_stride == other.to.group_stride &&
                       to.column_stride == other.to.column_stride;
    const auto clear = [&](const A* a, const A* b) {
      return apart(a, b, groups, columns, to.group_stride, to.column_stride);
    };
    return alike && clear(to.out[0], other.to.out[0]) && clear(to.out[0], other.to.out[1]) &&
           clear(to.out[1], other.to.out[0]) && clear(to.out[1], other.to.out[1]);
  }
};

/// The sums of the parts, every eighth by one warp; a block for 32 columns.
template <class A>
struct AddColumnSums {
  static constexpr int threads = block_threads, warps = threads / warp_size;
  using Table = TensorTable<ColumnSumParts<A>, 1, 16>;
  struct Shared {
    A sums[warps][warp_size];
  };
  Table table;
  MODELGROW_HOST_DEVICE Index blocks() const { return table.chunks(); }

  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Shared& shared) const {
    for (Index work = dev.block(); work < blocks(); work += dev.blocks()) {
      const auto part_of_work = table.part(work);
      const ColumnSumParts<A>& from = table.tensors[part_of_work.tensor];
      const Index row = part_of_work.begin / from.tiles();
      const Index c = part_of_work.begin % from.tiles() * warp_size + lane(dev);
      A* const out = from.to.out[row / from.groups];
      if (!out) continue;
      A sum = 0;
      if (c < from.columns)
        for (Index part = warp(dev); part < from.parts; part += warps)
          sum += from.partial[(row * from.parts + part) * from.columns + c];
      shared.sums[warp(dev)][lane(dev)] = sum;
      dev.sync();
      if (warp(dev) == 0 && c < from.columns) {
        for (int w = 1; w < warps; ++w) sum += shared.sums[w][lane(dev)];
        out[row % from.groups * from.to.group_stride + c * from.to.column_stride] += sum;
      }
      dev.sync();
    }
  }
};

/// Sums whose parts are there, until add_up(). What goes to the same places is added in the order in which it came.
template <class Exec, class A>
class WaitingSums {
 public:
  /// The parts of a sum, which stay in `partial`.
  void take(ColumnSumParts<A> sum, Tensor<A, typename Exec::Device> partial) {
    const auto clear = [&](const ColumnSumParts<A>& other) { return sum.apart_from(other); };
    const bool full = sums_.size() == AddColumnSums<A>::Table::capacity || held_ + partial.bytes() > most_held;
    if (full || !std::ranges::all_of(sums_, clear)) add_up();
    sum.partial = partial.data();
    sum.size = sum.blocks();
    held_ += partial.bytes();
    sums_.push_back(sum);
    parts_.push_back(std::move(partial));
  }
  void add_up() {
    AddColumnSums<A>::Table::for_each(sums_, [](const auto& table) { Exec::launch(AddColumnSums<A>{.table = table}); });
    sums_.clear();
    parts_.clear();
    held_ = 0;
  }

 private:
  static constexpr std::size_t most_held = std::size_t{32} << 20;  // bytes; what caches hold is read from there
  std::vector<ColumnSumParts<A>> sums_;
  std::vector<Tensor<A, typename Exec::Device>> parts_;
  std::size_t held_ = 0;
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
