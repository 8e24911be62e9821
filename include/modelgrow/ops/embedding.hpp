// SPDX-License-Identifier: MIT
// Rows of a table picked by integer ids.
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// table [V, C] at ids [..] -> [.., C]. Ids must lie in [0, V): they are not checked here, they may be on a GPU. Throws
/// shape_error.
template <class T, HasBackend D>
Var<T, D> embedding(Tape<T, D>& tape, const Tensor<std::int32_t, D>& ids, const Var<T, D>& table) {
  expect_shape("embedding", "the table", table.shape(), {any_size, any_size}, "give [vocabulary, channels]");
  const std::int64_t n = ids.size(), width = table.dim(1);
  Shape shape = ids.shape();
  shape.push_back(width);
  Tensor<T, D> y = tape.allocate(shape);
  Backend<D>::embedding(n, width, ids.data(), table.data(), y.data());
  return tape.record(std::move(y), {table}, [=, &tape](Tensor<T, D> dy) {
    tape.collect([&](Stat<T>* dtable) { Backend<D>::embedding_dx(n, width, ids.data(), dy.data(), dtable); }, table);
  });
}

}  // namespace modelgrow::inline v0
