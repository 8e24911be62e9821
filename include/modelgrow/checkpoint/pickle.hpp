// SPDX-License-Identifier: MIT
// Reading pickles without running anything: the instructions that build values, and the names of torch and of trainers
// (torch_names.hpp); all others are refused. https://github.com/python/cpython (Lib/pickletools.py) says what each
// does.
#pragma once
#include <cstddef>
#include <span>

#include <modelgrow/checkpoint/pickle_value.hpp>

namespace modelgrow::inline v0 {

/// A pickle as it was read: what it holds, the storages that its tensors name, each once in the order of their first
/// use, and how many bytes it has.
struct Pickle {
  PickleValue value = {};
  std::vector<std::shared_ptr<PickleStorage>> storages = {};
  std::size_t bytes = 0;

  /// Values are nested at most this deep.
  static constexpr int max_depth = 64;
  /// Longer ones are refused: no model has as many tensors.
  static constexpr std::size_t max_bytes = std::size_t{64} << 20;
};

/// Reads the pickle that `bytes` begin with; more may follow. `source` names the file in errors, `offset` is the place
/// of bytes[0] in it. Throws format_error with the place: an instruction or a name that is not on the list, cut or
/// altered bytes, values that contain themselves, are nested too deeply or unfold without bound, a key that occurs
/// twice.
Pickle read_pickle(std::span<const std::byte> bytes, const std::string& source, std::uint64_t offset = 0);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/pickle_inl.hpp>
#endif
