// SPDX-License-Identifier: MIT
// Tensors whose rows lie on many ranks: what each has of them, and where all of it is.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include <modelgrow/checkpoint/layout.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/ranks.hpp>

namespace modelgrow::inline v0 {

/// What this rank has of a tensor.
struct HeldTensor {
  NamedShape about;  // its name, and the type and shape of what is here
  /// The row at which that begins, of a tensor whose other rows lie on other ranks; nothing: all ranks have the tensor.
  std::optional<std::int64_t> first = {};
  std::function<void(std::uint64_t at, std::span<std::byte> out)> read = {};  // its bytes from `at` on
};

/// A tensor and who has it.
struct SpreadTensor {
  /// Bytes [begin, end) of the tensor.
  struct Part {
    int rank = 0;
    std::uint64_t begin = 0, end = 0;
  };
  NamedShape about;
  std::vector<Part> parts = {};  // in the order of the bytes; none where all ranks have the tensor
};

/// The tensors that ranks have together, by name, on all ranks. Throws communication_error that begins with `path` when
/// the rows of one are not all there, each once.
std::vector<SpreadTensor> spread_tensors(const std::filesystem::path& path, const std::vector<HeldTensor>& held,
                                         Ranks& ranks);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/train/held_tensor_inl.hpp>
#endif
