// SPDX-License-Identifier: MIT
// Classifier-free guidance (Ho & Salimans 2022): captions are dropped at random in training; sampling moves from the
// prediction without caption towards, and past, the one with it.
#pragma once
#include <utility>

#include <modelgrow/backend/backend.hpp>
#include <modelgrow/diffusion/noise.hpp>

namespace modelgrow::inline v0 {

/// 1 for each of the samples first .. first + batch - 1 whose caption is dropped in training, else 0.
inline Tensor<std::int32_t, Cpu> caption_dropout(double probability, std::uint64_t seed, std::uint64_t first,
                                                 std::int64_t batch) {
  const Rng rng(seed, hash_name("guidance.caption_dropout"));
  Tensor<std::int32_t, Cpu> drop(Shape{batch});
  for (std::int64_t b = 0; b < batch; ++b) drop.data()[b] = rng.uniform(first + std::uint64_t(b)) < probability;
  return drop;
}

namespace detail {
template <class T, class D>
Tensor<T, D> twice(const Tensor<T, D>& x) {
  Shape shape = x.shape();
  shape[0] *= 2;
  Tensor<T, D> both(shape);
  D::copy(both.data(), x.data(), x.bytes());
  D::copy(both.data() + x.size(), x.data(), x.bytes());
  return both;
}
}  // namespace detail

/// A velocity u + scale (c - u) for sample_euler. predict(x, time) sees every clip twice in one batch: the first half
/// must be computed with captions (c), the second half without (u).
template <class Predict>
auto guided(Predict predict, double scale) {
  return [predict = std::move(predict), scale]<class T, HasBackend D>(const Tensor<T, D>& x,
                                                                      const Tensor<Stat<T>, D>& time) {
    const Tensor<T, D> both = predict(detail::twice(x), detail::twice(time));
    if (both.size() != 2 * x.size())
      throw shape_error("[guided] for clips " + to_string(x.shape()) + " given twice the prediction has shape " +
                        to_string(both.shape()));
    const Tensor<T, D> with = both.view(0, x.shape());
    Tensor<T, D> result = both.view(x.size(), x.shape()).clone();
    Backend<D>::lerp(x.size(), scale, with.data(), result.data());
    return result;
  };
}

}  // namespace modelgrow::inline v0
