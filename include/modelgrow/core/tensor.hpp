// SPDX-License-Identifier: MIT
// A contiguous row-major tensor whose element type and device are types. Copies share memory; clone() does not.
#pragma once
#include <memory>
#include <span>
#include <utility>

#include <modelgrow/core/device.hpp>
#include <modelgrow/core/dtype.hpp>
#include <modelgrow/core/shape.hpp>

namespace modelgrow::inline v0 {

/// Contiguous elements of type T on device D, shared between copies of the handle.
template <class T, class D>
class Tensor {
 public:
  Tensor() = default;
  /// Uninitialised memory of the given shape.
  explicit Tensor(Shape shape)
      : Tensor(shape, std::shared_ptr<void>(D::allocate(sizeof(T) * std::size_t(numel(shape))), &D::release)) {}
  /// Memory that somebody else owns (a pool, a mapped file), at least numel(shape) elements.
  Tensor(Shape shape, std::shared_ptr<void> memory)
      : shape_(std::move(shape)), size_(numel(shape_)), data_(std::static_pointer_cast<T>(std::move(memory))) {}

  static Tensor zeros(Shape shape) {
    Tensor t(std::move(shape));
    t.zero();
    return t;
  }
  static Tensor from(Shape shape, std::span<const T> values) {
    Tensor t(std::move(shape));
    if (std::int64_t(values.size()) != t.size())
      throw shape_error("a tensor of shape " + to_string(t.shape()) + " takes " + std::to_string(t.size()) +
                        " values; " + std::to_string(values.size()) + " were given");
    D::from_host(t.data(), values.data(), t.bytes());
    return t;
  }

  const Shape& shape() const { return shape_; }
  std::int64_t dim(int i) const { return shape_[i < 0 ? shape_.rank() + i : i]; }
  std::int64_t size() const { return size_; }
  std::size_t bytes() const { return sizeof(T) * std::size_t(size_); }
  T* data() const { return data_.get(); }
  /// False for a default-constructed tensor.
  bool defined() const { return data_ != nullptr; }
  /// Whether this handle is the only owner of the memory, so that writing to it disturbs nobody.
  bool unique() const { return data_.use_count() == 1; }

  /// The same memory under another shape of the same size.
  Tensor reshape(Shape shape) const {
    if (numel(shape) != size_)
      throw shape_error("cannot see a tensor of shape " + to_string(shape_) + " as " + to_string(shape) +
                        ": the number of elements differs");
    Tensor t = *this;
    t.shape_ = std::move(shape);
    return t;
  }
  /// `shape` elements of the same memory, starting at element `offset`.
  Tensor view(std::int64_t offset, Shape shape) const {
    Tensor t;
    t.size_ = numel(shape);
    if (offset < 0 || offset + t.size_ > size_)
      throw shape_error("a view of " + to_string(shape) + " at element " + std::to_string(offset) +
                        " leaves a tensor of shape " + to_string(shape_));
    t.shape_ = std::move(shape);
    t.data_ = std::shared_ptr<T>(data_, data_.get() + offset);
    return t;
  }
  Tensor clone() const {
    Tensor t(shape_);
    D::copy(t.data(), data(), bytes());
    return t;
  }
  void zero() { D::zero(data(), bytes()); }

  /// Host view of the elements; no view of a temporary.
  std::span<T> span() const& requires std::same_as<D, Cpu> { return {data(), std::size_t(size_)}; }
  std::span<T> span() const&& = delete;

 private:
  Shape shape_{0};
  std::int64_t size_ = 0;
  std::shared_ptr<T> data_;
};

/// A copy of a tensor on the host.
template <class T, Device D>
Tensor<T, Cpu> to_cpu(const Tensor<T, D>& t) {
  Tensor<T, Cpu> host(t.shape());
  D::to_host(host.data(), t.data(), t.bytes());
  return host;
}
/// A copy of a host tensor on device D.
template <Device D, class T>
Tensor<T, D> to_device(const Tensor<T, Cpu>& t) {
  Tensor<T, D> there(t.shape());
  D::from_host(there.data(), t.data(), t.bytes());
  return there;
}

}  // namespace modelgrow::inline v0
