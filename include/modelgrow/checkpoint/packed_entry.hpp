// SPDX-License-Identifier: MIT
// Moments in few bits as packages leave them in the state of an optimizer. bitsandbytes (0.50.2) keeps those of a
// parameter in a dictionary of their own, beside `step`: state1 and state2, in float or as codes, and then absmax1 and
// qmap1 with the scales of blocks of 256 numbers and what codes stand for. torchao (0.18.0) makes an object of each
// that stands for a tensor: OptimState8bit, OptimState4bit, OptimStateFp8, with codes, scale and (but for the last)
// qmap.
#pragma once
#include <algorithm>
#include <array>
#include <functional>

#include <modelgrow/checkpoint/packed_tensor.hpp>
#include <modelgrow/checkpoint/pickle_value.hpp>
#include <modelgrow/checkpoint/torch_tensor.hpp>

namespace modelgrow::inline v0 {

/// One moment of bitsandbytes: its name in this library, and the keys of its parts.
struct WrappedMoment {
  std::string_view entry, state, scales, map;
};
inline constexpr std::string_view wrapped_key = "__bnb_optimizer_quant_state__";
inline constexpr std::int64_t wrapped_block = 256;
inline constexpr std::array<WrappedMoment, 2> wrapped_moments{
    WrappedMoment{"exp_avg", "state1", "absmax1", "qmap1"}, WrappedMoment{"exp_avg_sq", "state2", "absmax2", "qmap2"}};

/// The moment of an entry; nullptr for one that stands beside them.
inline const WrappedMoment* wrapped_moment(std::string_view entry) {
  const auto* found = std::ranges::find(wrapped_moments, entry, &WrappedMoment::entry);
  return found == wrapped_moments.end() ? nullptr : found;
}

namespace detail {

/// Parts of a packed tensor, and what stands in front of each in errors: "optimizer.bin: 'absmax1' of parameter 3".
struct PackedParts {
  struct Part {
    JoinedTensor tensor;
    std::string where;
  };
  Part codes, scales;
  std::optional<Part> map;
};

/// A moment of bitsandbytes. Throws format_error: codes that are no U8, a map that is none or missing, scales that are
/// not F32 or not as many as there are blocks of 256.
PackedTensor packed_moment(const PackedParts& parts);

/// An object of torchao.
struct PackedObject {
  int bits;             // of a code
  bool floats = false;  // codes are such themselves
  Shape shape = {};     // of the tensor that it stands for
  PickleTensor codes = {}, scales = {};
  std::optional<PickleTensor> map = {};
};
/// Nothing for other values. Throws format_error without a place for one without its parts.
std::optional<PackedObject> packed_object(const PickleValue& value);
/// Throws format_error as packed_moment() does, and where numbers do not divide into as many equal blocks.
PackedTensor packed_tensor(const PackedObject& object, const PackedParts& parts);

/// The same object for another tensor; `place` gives the values that stand for its parts, in their order.
PickleValue repacked(const PickleValue& object, const PackedTensor& tensor,
                     const std::function<PickleValue(const JoinedTensor&)>& place);

/// What a map stands in, to be written.
JoinedTensor map_tensor(const PackedTensor& packed);

}  // namespace detail
}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/packed_entry_inl.hpp>
#endif
