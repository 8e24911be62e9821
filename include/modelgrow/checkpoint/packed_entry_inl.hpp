// SPDX-License-Identifier: MIT
// The definitions of packed_entry.hpp.
#pragma once
#include <cstring>

#include <modelgrow/checkpoint/packed_entry.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0::detail {

inline constexpr std::string_view of_another_version = ": the file is altered, or of another version of its package";

/// Throws format_error unless a part has this type.
inline void must_be(const PackedParts::Part& part, DType type) {
  if (part.tensor.dtype() != type)
    throw format_error((part.where + " is of type ")
                           .append(name(part.tensor.dtype()))
                           .append("; expected ")
                           .append(name(type))
                           .append(of_another_version));
}

/// Throws format_error for a map of codes with another number of bits.
inline std::shared_ptr<const CodeMap> code_map(const PackedParts::Part& part, int bits) {
  must_be(part, DType::f32);
  constexpr std::uint64_t most = 256;  // numbers; CodeMap refuses more
  std::vector<float> values(std::size_t(std::min<std::uint64_t>(part.tensor.bytes() / sizeof(float), most + 1)));
  part.tensor.read(0, std::as_writable_bytes(std::span(values)));
  auto map = std::make_shared<const CodeMap>(values, part.where);
  if (map->bits() != bits)
    throw format_error((part.where + " has " + std::to_string(values.size()) + " numbers, and its codes have " +
                        std::to_string(bits) + " bits")
                           .append(of_another_version));
  return map;
}

MODELGROW_INLINE PackedTensor packed_moment(const PackedParts& parts) {
  must_be(parts.codes, DType::u8);
  must_be(parts.scales, DType::f32);
  PackedTensor packed{.shape = parts.codes.tensor.shape(),
                      .block = wrapped_block,
                      .codes = parts.codes.tensor,
                      .scales = parts.scales.tensor,
                      .map = code_map(*parts.map, 8)};
  if (const Shape expected{packed.blocks()}; packed.scales.shape() != expected)
    throw format_error(parts.scales.where + " has shape " + to_string(packed.scales.shape()) + "; expected " +
                       to_string(expected) + ", one for each block of " + std::to_string(wrapped_block) +
                       " of its numbers: blocks have another size, or the file is altered");
  return packed;
}

MODELGROW_INLINE std::optional<PackedObject> packed_object(const PickleValue& value) {
  const auto* typed = typed_tensor(value);
  const auto* type = typed ? typed->values[1].get<PickleGlobal>() : nullptr;
  if (!type || !type->module.starts_with("torchao.optim.")) return std::nullopt;
  const auto& arguments = *typed->values[2].get<PickleTuple>();
  const auto* attributes = attributes_of(*typed);
  const auto fail = [&](const std::string& what) { throw format_error("an object of " + type->text() + what); };
  if (!attributes || arguments.values.size() < 4) fail(" without attributes or a size");
  PackedObject found{.bits = type->name == "OptimState4bit" ? 4 : 8, .floats = type->name == "OptimStateFp8"};
  const auto part = [&](const char* name) {
    const auto* held = attributes->find(name);
    const auto tensor = held ? tensor_of(*held) : std::nullopt;
    if (!tensor) fail(std::string(" without its tensor '") + name + "'");
    return *tensor;
  };
  found.codes = part("codes");
  found.scales = part("scale");
  if (!found.floats) found.map = part("qmap");
  const auto* size = arguments.values[2].get<PickleTuple>();
  if (!size) fail(" without a size");
  for (const auto& extent : size->values) {
    const auto* n = extent.get<std::int64_t>();
    if (!n || *n < 0 || found.shape.rank() == Shape::max_rank) fail(" with a size that is none");
    found.shape.push_back(*n);
  }
  return found;
}

MODELGROW_INLINE PackedTensor packed_tensor(const PackedObject& object, const PackedParts& parts) {
  must_be(parts.codes, object.floats ? DType::f8_e4m3 : DType::u8);
  must_be(parts.scales, DType::f32);
  PackedTensor packed{
      .shape = object.shape,
      .whole_blocks = true,
      .codes = parts.codes.tensor,
      .scales = parts.scales.tensor,
      .map = object.floats ? std::make_shared<const CodeMap>(CodeMap::e4m3()) : code_map(*parts.map, object.bits)};
  const auto n = numel(packed.shape), scales = numel(packed.scales.shape());
  const auto bytes = std::int64_t(packed.map->bytes(std::uint64_t(n)));
  if (const auto expected = object.bits == 8 ? packed.shape : Shape{bytes}; packed.codes.shape() != expected)
    throw format_error(parts.codes.where + " has shape " + to_string(packed.codes.shape()) + "; expected " +
                       to_string(expected) + " for a tensor of shape " + to_string(packed.shape) +
                       ": the file is altered");
  constexpr std::int64_t largest = 1 << 16;  // packages take 128 and 256
  const auto block = scales == 0 ? 0 : n / scales;
  if (packed.scales.shape().rank() != 1 || block < 2 || block > largest || block % 2 != 0 || n != block * scales)
    throw format_error(parts.scales.where + " has shape " + to_string(packed.scales.shape()) +
                       "; blocks of one size, of 2 to " + std::to_string(largest) + " numbers, are not so many for " +
                       std::to_string(n) + ": the file is altered");
  packed.block = block;
  return packed;
}

MODELGROW_INLINE PickleValue repacked(const PickleValue& object, const PackedTensor& tensor,
                                      const std::function<PickleValue(const JoinedTensor&)>& place) {
  const auto extents = [](const Shape& shape) {
    PickleTuple tuple;
    for (const auto n : shape) tuple.values.emplace_back(n);
    return PickleValue(std::move(tuple));
  };
  PickleObject other = *object.get<PickleObject>();
  auto arguments = *other.arguments.values[2].get<PickleTuple>();
  arguments.values[2] = extents(tensor.shape);
  arguments.values[3] = extents(row_major(tensor.shape));
  other.arguments.values[2] = std::move(arguments);
  PickleDict attributes = *attributes_of(other.arguments);
  for (auto& [key, value] : attributes.items) {
    const auto* name = key.get<std::string>();
    if (!name) continue;
    if (*name == "codes") value = place(tensor.codes);
    if (*name == "scale") value = place(tensor.scales);
    if (*name == "qmap") value = place(map_tensor(tensor));
    if (*name == "_shape") value = extents(tensor.shape);
  }
  PickleValue& state = other.arguments.values[3];
  if (const auto* both = state.get<PickleTuple>()) {
    PickleTuple changed = *both;
    changed.values[0] = std::move(attributes);
    state = std::move(changed);
  } else {
    state = std::move(attributes);
  }
  return other;
}

MODELGROW_INLINE JoinedTensor map_tensor(const PackedTensor& packed) {
  return {NamedShape{.name = "map", .dtype = DType::f32, .shape = {std::int64_t(packed.map->values().size())}},
          [map = packed.map](std::uint64_t begin, std::span<std::byte> out) {
            std::memcpy(out.data(), std::as_bytes(map->values()).data() + begin, out.size());
          }};
}

}  // namespace modelgrow::inline v0::detail
