// SPDX-License-Identifier: MIT
// Tensors that lie in parts of several files, as trainers on several ranks leave them: boxes of the tensor, or pieces
// of it laid flat, or that are only made when somebody reads them. They are read by pieces, or joined in a file of
// their own.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <modelgrow/checkpoint/mapped_tensors.hpp>

namespace modelgrow::inline v0 {

/// A box of a tensor: where it begins and how large it is along each axis, and its elements in row-major order.
struct TensorPart {
  Shape offset = {}, shape = {};
  const std::byte* data = nullptr;
  std::shared_ptr<const void> memory = {};         ///< what keeps `data` alive
  std::shared_ptr<const MappedTensors> file = {};  ///< the same, where it is mapped
};

/// One tensor, complete.
class JoinedTensor {
 public:
  /// Whether the parts are boxes of the tensor, or of its elements as one row.
  enum class Parts { boxes, flat };

  /// Throws format_error that begins with `source`: parts that leave the tensor, overlap, or are not all of it.
  JoinedTensor(NamedShape tensor, Parts kind, std::vector<TensorPart> parts, const std::string& source);
  /// Makes bytes of the row-major tensor from `begin` on; they begin and end with an element.
  using Make = std::function<void(std::uint64_t begin, std::span<std::byte> out)>;
  /// A tensor that is made when it is read.
  JoinedTensor(NamedShape tensor, Make make);
  /// A tensor in one piece.
  JoinedTensor(std::string name, std::shared_ptr<const MappedTensors> file, const TensorView& view);
  /// A number that a file has as one of Python, as an F64 of no dimensions.
  JoinedTensor(std::string name, double value);

  const NamedShape& about() const { return about_; }
  const std::string& name() const { return about_.name; }
  DType dtype() const { return about_.dtype; }
  const Shape& shape() const { return about_.shape; }
  std::uint64_t bytes() const;
  const std::vector<TensorPart>& parts() const { return parts_; }
  /// The same tensor under another name, or of another shape with as many elements.
  JoinedTensor renamed(std::string name) const;

  /// Copies bytes of the row-major tensor from `begin` on. Throws io_error where the disk fails.
  void read(std::uint64_t begin, std::span<std::byte> out) const;
  /// All bytes, where they lie in one piece of a mapped file; else nothing.
  std::span<const std::byte> piece() const;

 private:
  void check(const std::string& source) const;
  NamedShape about_;
  Shape grid_;
  std::vector<TensorPart> parts_;  // those with elements
  Make make_;
};

/// Tensors as views of the files that they lie in; those in several pieces are joined in a temporary file that no one
/// else sees. `source` names them in errors. Throws io_error, and format_error for two of one name.
MappedTensors joined_file(const std::filesystem::path& source, const std::vector<JoinedTensor>& tensors);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/joined_tensor_inl.hpp>
#endif
