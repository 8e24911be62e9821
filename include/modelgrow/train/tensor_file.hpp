// SPDX-License-Identifier: MIT
// Optimizer state and averages as files: tensors of any type and device, gathered by name, written one at a time.
#pragma once
#include <cmath>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/checkpoint/shards.hpp>
#include <modelgrow/core/tensor.hpp>

namespace modelgrow::inline v0 {

/// A safetensors file to be; tensors share memory until save().
class TensorFile {
 public:
  template <Element U, Device D>
  void add(std::string name, const Tensor<U, D>& tensor) {
    add(std::move(name), dtype_of<U>, tensor.shape(), [tensor](auto&& write) {
      const Tensor<U, Cpu> host = to_cpu(tensor);
      write(std::as_bytes(std::span<const U>(host.data(), std::size_t(host.size()))));
    });
  }
  /// A scalar of type I64.
  void add(std::string name, std::int64_t value) {
    add(std::move(name), DType::i64, Shape{},
        [value](auto&& write) { write(std::as_bytes(std::span<const std::int64_t>(&value, 1))); });
  }

  /// Writes everything, all or nothing. Throws io_error.
  void save(const std::filesystem::path& path, const Metadata& metadata = {}) const {
    CheckpointWriter writer(path, declared_, metadata);
    for (std::size_t i = 0; i < declared_.size(); ++i)
      fill_[i]([&](std::span<const std::byte> bytes) { writer.write(declared_[i].name, bytes); });
    writer.commit();
  }

 private:
  using Write = std::function<void(std::span<const std::byte>)>;
  void add(std::string name, DType dtype, const Shape& shape, std::function<void(const Write&)> fill) {
    declared_.push_back(NamedShape{.name = std::move(name), .dtype = dtype, .shape = shape});
    fill_.push_back(std::move(fill));
  }
  std::vector<NamedShape> declared_;
  std::vector<std::function<void(const Write&)>> fill_;
};

/// A whole number of type I64, or of F32 and F64 as other trainers count steps; throws format_error when it is missing
/// or something else.
inline std::int64_t read_integer(const Checkpoint& checkpoint, const std::string& name) {
  const TensorView& t = checkpoint.tensor(name);
  const auto bad = [&](const std::string& what) {
    throw format_error(checkpoint.path().string() + ": tensor '" + name + "' is of type " +
                       std::string(modelgrow::name(t.dtype)) + " and shape " + to_string(t.shape) + what +
                       "; expected one whole number of type I64");
  };
  if (numel(t.shape) != 1 || (t.dtype != DType::i64 && t.dtype != DType::f32 && t.dtype != DType::f64)) bad("");
  if (t.dtype == DType::i64) {
    std::int64_t value;
    std::memcpy(&value, t.data, sizeof value);
    return value;
  }
  float single = 0;
  double value = 0;
  std::memcpy(t.dtype == DType::f32 ? static_cast<void*>(&single) : &value, t.data, t.bytes);
  if (t.dtype == DType::f32) value = single;
  if (!(std::abs(value) < 1e15) || std::nearbyint(value) != value) bad(" and holds " + std::to_string(value));
  return std::int64_t(value);
}

/// A tensor of a checkpoint on device D; floats are converted. Throws format_error when it is missing or has another
/// shape.
template <Element U, Device D>
Tensor<U, D> read_tensor(const Checkpoint& checkpoint, const std::string& name, const Shape& shape) {
  const TensorView& t = checkpoint.tensor(name);
  if (t.shape != shape)
    throw format_error(checkpoint.path().string() + ": tensor '" + name + "' has shape " + to_string(t.shape) +
                       "; the model wants " + to_string(shape));
  Tensor<U, D> tensor(shape);
  if (t.dtype == dtype_of<U>) {
    D::from_host(tensor.data(), t.data, t.bytes);
  } else {
    const auto values = values_of<U>(t);
    D::from_host(tensor.data(), values.data(), tensor.bytes());
  }
  return tensor;
}

}  // namespace modelgrow::inline v0
