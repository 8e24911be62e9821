// SPDX-License-Identifier: MIT
// How torch writes tensors into pickles: a storage by its persistent id, a call that makes a view of it, and the
// wrappers around (parameters, tensors with attributes, the part of a sharded tensor that one rank has).
#pragma once
#include <optional>

#include <modelgrow/checkpoint/pickle_value.hpp>

namespace modelgrow::inline v0 {

/// A contiguous tensor on the CPU with a storage of its own, to be written. Throws format_error for an element type
/// that torch does not have.
PickleTensor torch_tensor(std::string key, DType dtype, const Shape& shape);

/// The tensor of a value: itself, or of a parameter or a tensor with attributes; nothing for other values, sharded
/// tensors among them. Throws format_error for arguments that make no tensor.
std::optional<PickleTensor> tensor_of(const PickleValue& value);

/// The part that one rank holds of a sharded tensor (DTensor); nothing for other values.
std::optional<PickleTensor> local_tensor_of(const PickleValue& value);

/// Strides of a row-major tensor.
Shape row_major(const Shape& shape);
/// Whether the elements lie one behind the other in row-major order.
bool is_contiguous(const PickleTensor& tensor);

namespace detail {
/// The storage that ('storage', class, key, location, elements) names. Throws format_error without a place.
PickleStorage storage_of(const PickleValue& persistent_id);
/// What torch._utils._rebuild_tensor_v2 and _v3 make of their arguments. Throws format_error without a place.
PickleTensor rebuilt_tensor(const PickleGlobal& function, const PickleTuple& arguments);
bool rebuilds_tensor(const PickleGlobal& function);
/// What torch._tensor._rebuild_from_type_v2(function, type, arguments, state) was called with; nullptr for other
/// values.
const PickleTuple* typed_tensor(const PickleValue& value);
/// The dictionary of attributes in such arguments, where it is one or the first of two; nullptr for none.
const PickleDict* attributes_of(const PickleTuple& typed);
}  // namespace detail

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/torch_tensor_inl.hpp>
#endif
