// SPDX-License-Identifier: MIT
// The definitions of torch_tensor.hpp.
#pragma once
#include <algorithm>

#include <modelgrow/checkpoint/torch_names.hpp>
#include <modelgrow/checkpoint/torch_tensor.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

namespace detail {

[[noreturn]] inline void no_tensor(const std::string& what) { throw format_error("no tensor: " + what); }

/// Argument i; throws format_error where it is of another kind.
template <class T>
const T& argument(const PickleTuple& arguments, std::size_t i, const char* expected) {
  const auto* found = i < arguments.values.size() ? arguments.values[i].get<T>() : nullptr;
  if (!found)
    no_tensor("argument " + std::to_string(i) + " is " +
              (i < arguments.values.size() ? arguments.values[i].kind() : "not there") + "; expected " + expected);
  return *found;
}

inline Shape extents(const PickleTuple& arguments, std::size_t i) {
  const auto& values = argument<PickleTuple>(arguments, i, "a tuple of sizes").values;
  Shape shape;
  if (values.size() > Shape::max_rank)
    no_tensor(std::to_string(values.size()) + " dimensions; at most " + std::to_string(Shape::max_rank));
  for (const auto& value : values) {
    const auto* extent = value.get<std::int64_t>();
    if (!extent || *extent < 0)
      no_tensor("a size or stride that is " + (extent ? std::to_string(*extent) : value.kind()));
    shape.push_back(*extent);
  }
  return shape;
}

/// Hooks and metadata, which only tensors that are not plain have.
inline void must_be_empty(const PickleTuple& arguments, std::size_t i, const char* what) {
  if (i >= arguments.values.size() || arguments.values[i].is_none()) return;
  const auto* dict = arguments.values[i].get<PickleDict>();
  if (!dict || !dict->items.empty()) no_tensor(std::string("its ") + what + " are not empty");
}

MODELGROW_INLINE bool rebuilds_tensor(const PickleGlobal& function) {
  return function.is("torch._utils", "_rebuild_tensor_v2") || function.is("torch._utils", "_rebuild_tensor_v3");
}

MODELGROW_INLINE PickleStorage storage_of(const PickleValue& persistent_id) {
  const auto* id = persistent_id.get<PickleTuple>();
  if (!id || id->values.size() < 5 || id->values.size() > 6) no_tensor("a persistent id that is no storage");
  if (argument<std::string>(*id, 0, "'storage'") != "storage") no_tensor("a persistent id that is no storage");
  if (id->values.size() == 6 && !id->values[5].is_none()) no_tensor("a storage that is a view of another");
  PickleStorage storage{.type = argument<PickleGlobal>(*id, 1, "a class of storages")};
  if (!storage_dtype(storage.type)) no_tensor(storage.type.text() + " is no class of storages");
  argument<std::string>(*id, 2, "a key");
  argument<std::string>(*id, 3, "a device");
  storage.key = id->values[2];
  if (const auto length = storage.name().size(); length > 255)
    no_tensor("a storage whose key has " + std::to_string(length) + " characters; torch numbers them");
  storage.location = id->values[3];
  storage.elements = argument<std::int64_t>(*id, 4, "a number of elements");
  if (storage.elements < 0) no_tensor("a storage of " + std::to_string(storage.elements) + " elements");
  return storage;
}

MODELGROW_INLINE PickleTensor rebuilt_tensor(const PickleGlobal& function, const PickleTuple& arguments) {
  argument<PickleStorage>(arguments, 0, "a storage");
  PickleTensor tensor{.storage = arguments.values[0].share<PickleStorage>()};
  const bool third = function.name == "_rebuild_tensor_v3";
  const bool untyped = tensor.storage->type.name == "UntypedStorage";
  if (third != untyped) no_tensor("its storage is " + tensor.storage->type.text());
  tensor.offset = argument<std::int64_t>(arguments, 1, "an offset");
  if (tensor.offset < 0) no_tensor("an offset of " + std::to_string(tensor.offset));
  tensor.shape = extents(arguments, 2);
  tensor.strides = extents(arguments, 3);
  if (tensor.shape.rank() != tensor.strides.rank())
    no_tensor("it has " + std::to_string(tensor.shape.rank()) + " sizes and " + std::to_string(tensor.strides.rank()) +
              " strides");
  tensor.requires_grad = argument<bool>(arguments, 4, "requires_grad");
  must_be_empty(arguments, 5, "hooks");
  must_be_empty(arguments, third ? 7 : 6, "metadata");
  if (arguments.values.size() > (third ? 8u : 7u)) no_tensor("more arguments than torch has");
  const auto type =
      third ? torch_dtype(argument<PickleGlobal>(arguments, 6, "a dtype")) : storage_dtype(tensor.storage->type);
  if (!type) no_tensor(arguments.values[6].kind() + " is no element type that can be read");
  tensor.dtype = *type;
  return tensor;
}

MODELGROW_INLINE const PickleTuple* typed_tensor(const PickleValue& value) {
  const auto* object = value.get<PickleObject>();
  if (!object || !object->type.is("torch._tensor", "_rebuild_from_type_v2")) return nullptr;
  argument<PickleGlobal>(object->arguments, 0, "a function");
  argument<PickleTuple>(object->arguments, 2, "arguments");
  return &object->arguments;
}

MODELGROW_INLINE const PickleDict* attributes_of(const PickleTuple& typed) {
  if (typed.values.size() < 4) return nullptr;
  const auto* both = typed.values[3].get<PickleTuple>();  // what __dict__ holds, what slots hold
  return both ? (both->values.empty() ? nullptr : both->values[0].get<PickleDict>())
              : typed.values[3].get<PickleDict>();
}

}  // namespace detail

MODELGROW_INLINE Shape row_major(const Shape& shape) {
  Shape strides = shape;
  std::int64_t step = 1;
  for (int i = shape.rank(); i-- > 0;) {
    strides[i] = step;
    if (__builtin_mul_overflow(step, std::max<std::int64_t>(shape[i], 1), &step))
      throw format_error("no tensor: its shape " + to_string(shape) + " overflows 63 bits");
  }
  return strides;
}

MODELGROW_INLINE bool is_contiguous(const PickleTensor& tensor) {
  if (std::ranges::find(tensor.shape, 0) != tensor.shape.end()) return true;
  const Shape expected = row_major(tensor.shape);
  for (int i = 0; i < tensor.shape.rank(); ++i)
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected[i]) return false;
  return true;
}

MODELGROW_INLINE PickleTensor torch_tensor(std::string key, DType dtype, const Shape& shape) {
  const auto* type = detail::torch_type(dtype);
  if (!type)
    throw format_error("tensor '" + key + "' is of type " + std::string(name(dtype)) +
                       ", which torch has not; convert it");
  const bool untyped = type->storage.empty();
  const std::int64_t elements = numel(shape);
  PickleStorage storage{.type = untyped ? PickleGlobal{"torch.storage", "UntypedStorage"}
                                        : PickleGlobal{"torch", std::string(type->storage)},
                        .key = std::move(key),
                        .location = "cpu",
                        .elements = untyped ? elements * bits(dtype) / 8 : elements};
  return PickleTensor{.storage = std::make_shared<PickleStorage>(std::move(storage)),
                      .dtype = dtype,
                      .shape = shape,
                      .strides = row_major(shape)};
}

MODELGROW_INLINE std::optional<PickleTensor> tensor_of(const PickleValue& value) {
  if (const auto* tensor = value.get<PickleTensor>()) return *tensor;
  if (const auto* typed = detail::typed_tensor(value)) {
    const auto& function = *typed->values[0].get<PickleGlobal>();
    if (detail::rebuilds_tensor(function))
      return detail::rebuilt_tensor(function, *typed->values[2].get<PickleTuple>());
  }
  const auto* object = value.get<PickleObject>();
  if (object && object->type.is("torch._utils", "_rebuild_parameter"))
    return tensor_of(object->arguments.values.empty() ? PickleValue() : object->arguments.values[0]);
  return std::nullopt;
}

MODELGROW_INLINE std::optional<PickleTensor> local_tensor_of(const PickleValue& value) {
  const auto* typed = detail::typed_tensor(value);
  if (!typed || !typed->values[0].get<PickleGlobal>()->is("torch._utils", "_rebuild_wrapper_subclass") ||
      typed->values.size() < 4)
    return std::nullopt;
  const auto* state = typed->values[3].get<PickleTuple>();  // what __dict__ holds, what slots hold
  const auto* slots = state && state->values.size() == 2 ? state->values[1].get<PickleDict>() : nullptr;
  const auto* local = slots ? slots->find("_local_tensor") : nullptr;
  return local ? tensor_of(*local) : std::nullopt;
}

}  // namespace modelgrow::inline v0
