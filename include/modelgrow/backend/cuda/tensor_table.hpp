// SPDX-License-Identifier: MIT
// The tensors of a model in one launch: their table is an argument of the kernel. Nothing is copied to the device or
// kept there, so the host waits for nothing and the model may be another one at every step.
#pragma once
#include <algorithm>
#include <span>

#include <modelgrow/backend/cuda/kernel.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

template <class Entry>
inline constexpr std::size_t most_entries =  // the rest is for the kernel's other members
    (most_argument_bytes - 128) / (sizeof(Entry) + sizeof(Index));
/// Tensors with their `size`, cut into chunks of so many values, which are numbered over all of them.
template <class Entry, Index chunk_values, std::size_t entries = most_entries<Entry>>
struct TensorTable {
  static constexpr std::size_t capacity = entries;
  struct Part {  // values [begin, end) of a tensor
    int tensor;
    Index begin, end;
  };
  int count;
  Index ends[capacity];  // the first chunk after each tensor
  Entry tensors[capacity];

  static Index chunks_of(Index size) { return ceil_div(size, chunk_values); }
  MODELGROW_HOST_DEVICE Index chunks() const { return ends[count - 1]; }

  /// Where a chunk lies.
  MODELGROW_DEVICE Part part(Index chunk) const {
    int tensor = 0, last = count - 1;
    while (tensor < last) {
      const int middle = (tensor + last) / 2;
      if (chunk < ends[middle])
        last = middle;
      else
        tensor = middle + 1;
    }
    const Index begin = (chunk - (tensor > 0 ? ends[tensor - 1] : 0)) * chunk_values;
    return {.tensor = tensor, .begin = begin, .end = least(tensors[tensor].size, begin + chunk_values)};
  }

  /// f(table) for as few tables as hold all of the tensors, in their order.
  template <class F>
  static void for_each(std::span<const Entry> tensors, F f) {
    while (!tensors.empty()) {
      const auto some = tensors.first(std::min(capacity, tensors.size()));
      TensorTable table;
      table.count = int(some.size());
      Index chunks = 0;
      for (std::size_t i = 0; i < some.size(); ++i) {
        table.ends[i] = chunks += chunks_of(some[i].size);
        table.tensors[i] = some[i];
      }
      f(table);
      tensors = tensors.subspan(some.size());
    }
  }
};

/// Addresses as an argument of a kernel.
template <class T>
struct PointerList {
  static constexpr std::size_t capacity = 128;
  int count;
  T* at[capacity];

  /// f(first, list) for as few lists as hold all, in their order; `first` is the place of the first one of a list.
  template <class F>
  static void for_each(std::span<T* const> all, F f) {
    for (std::size_t first = 0; first < all.size(); first += capacity) {
      PointerList list{};
      list.count = int(std::min(capacity, all.size() - first));
      std::copy_n(all.begin() + std::ptrdiff_t(first), list.count, list.at);
      f(Index(first), list);
    }
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
