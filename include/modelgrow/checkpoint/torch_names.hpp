// SPDX-License-Identifier: MIT
// The names that pickles of torch and of trainers may ask for, and the element types among them. Every other name is
// refused; those here are not looked up either.
#pragma once
#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string_view>

#include <modelgrow/checkpoint/pickle_value.hpp>

namespace modelgrow::inline v0::detail {

/// An element type of torch, and the class of storages of it; newer types have untyped storages only.
struct TorchType {
  std::string_view name, storage;
  DType dtype;
};
inline constexpr TorchType torch_types[] = {
    {"float32", "FloatStorage", DType::f32},
    {"bfloat16", "BFloat16Storage", DType::bf16},
    {"float16", "HalfStorage", DType::f16},
    {"float64", "DoubleStorage", DType::f64},
    {"int64", "LongStorage", DType::i64},
    {"int32", "IntStorage", DType::i32},
    {"int16", "ShortStorage", DType::i16},
    {"int8", "CharStorage", DType::i8},
    {"uint8", "ByteStorage", DType::u8},
    {"bool", "BoolStorage", DType::boolean},
    {"complex64", "ComplexFloatStorage", DType::c64},
    {"uint16", "", DType::u16},
    {"uint32", "", DType::u32},
    {"uint64", "", DType::u64},
    {"float8_e4m3fn", "", DType::f8_e4m3},
    {"float8_e5m2", "", DType::f8_e5m2},
    {"float8_e8m0fnu", "", DType::f8_e8m0},
    {"float8_e4m3fnuz", "", DType::f8_e4m3fnuz},
    {"float8_e5m2fnuz", "", DType::f8_e5m2fnuz},
};
inline const TorchType* torch_type(DType dtype) {
  const auto* found = std::ranges::find(torch_types, dtype, &TorchType::dtype);
  return found == std::end(torch_types) ? nullptr : found;
}

/// The element type that torch.float32 names.
inline std::optional<DType> torch_dtype(const PickleGlobal& global) {
  for (const auto& t : torch_types)
    if (global.is("torch", t.name)) return t.dtype;
  return std::nullopt;
}
/// The element type of storages of torch.FloatStorage; bytes of torch.storage.UntypedStorage.
inline std::optional<DType> storage_dtype(const PickleGlobal& global) {
  for (const auto& t : torch_types)
    if (!t.storage.empty() && global.is("torch", t.storage)) return t.dtype;
  return global.is("torch.storage", "UntypedStorage") ? std::optional(DType::u8) : std::nullopt;
}

struct AllowedNames {
  std::string_view module;
  std::array<std::string_view, 8> names;
};
inline constexpr AllowedNames allowed_names[] = {
    {"collections", {"OrderedDict"}},
    {"torch", {"Tensor", "Size", "device"}},
    {"torch._utils",
     {"_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter", "_rebuild_wrapper_subclass",
      "_rebuild_meta_tensor_no_storage"}},
    {"torch._tensor", {"_rebuild_from_type_v2"}},
    {"torch.serialization", {"_get_layout"}},
    // sharded tensors
    {"torch.distributed.tensor", {"DTensor"}},
    {"torch.distributed.tensor._dtensor_spec", {"DTensorSpec", "ShardOrderEntry", "TensorMeta"}},
    {"torch.distributed.tensor.placement_types", {"Shard", "Replicate"}},
    {"torch.distributed.device_mesh", {"DeviceMesh"}},
    {"torch.distributed._mesh_layout", {"_FlatLayout", "_MeshLayout"}},
    // the .metadata of distributed checkpoints
    {"torch.distributed.checkpoint.metadata",
     {"Metadata", "TensorStorageMetadata", "BytesStorageMetadata", "TensorProperties", "ChunkStorageMetadata",
      "MetadataIndex", "StorageMeta", "_MEM_FORMAT_ENCODING"}},
    {"torch.distributed.checkpoint.filesystem", {"_StorageInfo"}},
    {"pathlib", {"PosixPath"}},
    {"pathlib._local", {"PosixPath"}},  // of Python 3.13
    // optimizers, and what trainers keep beside them
    {"torchao.optim.subclass_8bit", {"OptimState8bit"}},
    {"torchao.optim.subclass_4bit", {"OptimState4bit"}},
    {"torchao.optim.subclass_fp8", {"OptimStateFp8"}},
    {"deepspeed.runtime.fp16.loss_scaler", {"LossScaler"}},
    {"deepspeed.runtime.zero.config", {"ZeroStageEnum"}},
    {"deepspeed.utils.tensor_fragment", {"fragment_address"}},
    {"numpy", {"ndarray", "dtype"}},
    {"numpy._core.multiarray", {"_reconstruct"}},
    {"numpy.core.multiarray", {"_reconstruct"}},  // before numpy 2
    {"_codecs", {"encode"}},
    {"__builtin__", {"set"}},
};

inline bool is_allowed(const PickleGlobal& global) {
  if (torch_dtype(global) || storage_dtype(global)) return true;
  return std::ranges::any_of(allowed_names, [&](const AllowedNames& a) {
    return a.module == global.module && !global.name.empty() &&
           std::ranges::find(a.names, global.name) != a.names.end();
  });
}

}  // namespace modelgrow::inline v0::detail
