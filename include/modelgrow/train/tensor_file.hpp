// SPDX-License-Identifier: MIT
// Weights, optimizer state and averages as files: tensors of any type and device, gathered by name, written by windows.
#pragma once
#include <cmath>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/core/tensor.hpp>
#include <modelgrow/train/held_tensor.hpp>
#include <modelgrow/train/saving.hpp>

namespace modelgrow::inline v0 {

/// A safetensors file to be, or of several ranks, shards and their index; tensors share memory until save().
class TensorFile {
 public:
  /// A tensor that all ranks have, or `held` rows of one whose other rows lie on other ranks.
  template <Element U, Device D>
  void add(std::string name, const Tensor<U, D>& tensor, const std::optional<RowRange>& held = {}) {
    hold(std::move(name), dtype_of<U>, tensor, held);
  }
  /// A scalar of type I64.
  void add(std::string name, std::int64_t value, const std::optional<RowRange>& held = {}) {
    const Tensor<std::int64_t, Cpu> tensor(Shape{});
    tensor.data()[0] = value;
    hold(std::move(name), DType::i64, tensor, held);
  }

  /// Writes everything, all or nothing. Of several ranks each writes whole tensors, as many bytes as the others, and
  /// gets what it lacks of them by windows; only in a folder that appears when all have ended is that all or nothing.
  /// Throws io_error, and what Ranks::all and spread_tensors throw.
  void save(const std::filesystem::path& path, Metadata metadata = {}, const Saving& saving = {}) const;

 private:
  template <class U, Device D>
  void hold(std::string name, DType dtype, const Tensor<U, D>& tensor, const std::optional<RowRange>& held) {
    HeldTensor here{.about = NamedShape{.name = std::move(name), .dtype = dtype, .shape = tensor.shape()}};
    if (held) here.first = held->first;
    here.read = [tensor](std::uint64_t at, std::span<std::byte> out) {
      D::to_host(out.data(), reinterpret_cast<const std::byte*>(tensor.data()) + at, out.size());
    };
    held_.push_back(std::move(here));
  }
  std::vector<HeldTensor> held_;
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

/// Rows of a tensor of a file, where they lie.
inline TensorView only_rows(TensorView t, RowRange rows) {
  const std::int64_t all = matrix_size(t.shape).rows;
  if (rows.size() == all) return t;
  const std::size_t row = t.bytes / std::size_t(all);
  t.data += row * std::size_t(rows.first);
  t.bytes = row * std::size_t(rows.size());
  if (t.shape.rank() > 0)
    t.shape[0] = rows.size();
  else
    t.shape = Shape{0};
  return t;
}

/// A tensor of a checkpoint on device D, or some rows of it, perhaps none; floats are converted. Throws format_error
/// when it is missing or has another shape.
template <Element U, Device D>
Tensor<U, D> read_tensor(const Checkpoint& checkpoint, const std::string& name, const Shape& shape,
                         const std::optional<RowRange>& rows = {}) {
  const TensorView& t = checkpoint.tensor(name);
  if (t.shape != shape)
    throw format_error(checkpoint.path().string() + ": tensor '" + name + "' has shape " + to_string(t.shape) +
                       "; the model wants " + to_string(shape));
  const TensorView wanted = rows ? only_rows(t, *rows) : t;
  Tensor<U, D> tensor(wanted.shape);
  if (t.dtype == dtype_of<U>) {
    D::from_host(tensor.data(), wanted.data, wanted.bytes);
  } else {
    const auto values = values_of<U>(wanted);
    D::from_host(tensor.data(), values.data(), tensor.bytes());
  }
  return tensor;
}

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/train/tensor_file_inl.hpp>
#endif
