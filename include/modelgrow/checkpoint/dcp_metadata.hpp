// SPDX-License-Identifier: MIT
// The objects in the .metadata of a distributed checkpoint, as the unpickler leaves them: a type, and its attributes as
// a dictionary.
#pragma once
#include <optional>

#include <modelgrow/checkpoint/torch_names.hpp>

namespace modelgrow::inline v0::detail {

/// An attribute of an object of some type of torch.distributed.checkpoint; nullptr where it is another, or has none.
inline const PickleValue* attribute(const PickleValue& value, std::string_view type, std::string_view name) {
  const auto* object = value.get<PickleObject>();
  const auto* state = object && object->type.name == type ? object->state.get<PickleDict>() : nullptr;
  return state ? state->find(name) : nullptr;
}

/// torch.Size((5, 3)).
inline std::optional<Shape> size_of(const PickleValue* value) {
  const auto* object = value ? value->get<PickleObject>() : nullptr;
  const auto* tuple = object && object->type.is("torch", "Size") && object->arguments.values.size() == 1
                          ? object->arguments.values[0].get<PickleTuple>()
                          : nullptr;
  if (!tuple || tuple->values.size() > Shape::max_rank) return {};
  Shape shape;
  for (const auto& v : tuple->values) {
    const auto* extent = v.get<std::int64_t>();
    if (!extent || *extent < 0) return {};
    shape.push_back(*extent);
  }
  return shape;
}

/// The element type of TensorProperties, whose attributes are a tuple.
inline std::optional<DType> dtype_of_properties(const PickleValue* value) {
  const auto* object = value ? value->get<PickleObject>() : nullptr;
  const auto* state = object ? object->state.get<PickleTuple>() : nullptr;
  const auto* dtype = state && !state->values.empty() ? state->values[0].get<PickleGlobal>() : nullptr;
  return dtype ? torch_dtype(*dtype) : std::nullopt;
}

}  // namespace modelgrow::inline v0::detail
