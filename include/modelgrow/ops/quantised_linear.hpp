// SPDX-License-Identifier: MIT
// y = x W^T + b and rows of a table, for weights in GGML blocks. Forward only: such weights are not trained.
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// y [.., out] = or += x [.., in] w [out, in]^T + b [out] or undefined. Throws shape_error.
template <HasInference D>
void quantised_linear(const Tensor<float, D>& x, const QuantisedMatrix& w, const Tensor<float, D>& b,
                      const Tensor<float, D>& y, Write write = Write::overwrite) {
  const auto fits = [](const Shape& s, std::int64_t last) { return s.rank() >= 1 && s.back() == last; };
  expect("quantised_linear",
         fits(x.shape(), w.columns) && fits(y.shape(), w.rows) && x.size() / w.columns == y.size() / w.rows, [&] {
           return "the input is " + to_string(x.shape()) + ", the weight " + to_string(Shape{w.rows, w.columns}) +
                  ", the result " + to_string(y.shape()) + "; expected [.., in], [out, in] and [.., out]";
         });
  if (b.defined()) expect_shape("quantised_linear", "the bias", b.shape(), {w.rows}, "one value per row of the weight");
  Backend<D>::linear_quantised(x.size() / w.columns, w, x.data(), b.defined() ? b.data() : nullptr, y.data(), write);
}

/// y [n, C] = the rows of table [V, C] at ids [n], which must lie in [0, V): they are not checked here. Throws
/// shape_error.
template <HasInference D>
void quantised_embedding(const Tensor<std::int32_t, D>& ids, const QuantisedMatrix& table, const Tensor<float, D>& y) {
  expect_shape("quantised_embedding", "the result", y.shape(), {ids.size(), table.columns}, "one row per id");
  Backend<D>::embedding_quantised(ids.size(), ids.data(), table, y.data());
}

}  // namespace modelgrow::inline v0
