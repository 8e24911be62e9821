// SPDX-License-Identifier: MIT
// Reading pickles without running anything: the instructions that build values, and the names of torch and of trainers
// (torch_names.hpp); all others are refused. https://github.com/python/cpython (Lib/pickletools.py) says what each
// does.
#pragma once
#include <cstddef>
#include <span>

#include <modelgrow/checkpoint/pickle_value.hpp>

namespace modelgrow::inline v0 {

/// A pickle with an object of a package that is not on the list: whole and right, perhaps, but nothing that is read.
struct foreign_object_error : format_error {
  using format_error::format_error;
};

/// Reads the pickle that `bytes` begin with; more may follow. `source` names the file in errors, `offset` is the place
/// of bytes[0] in it. Throws format_error with the place: an instruction or a name (foreign_object_error) that is not
/// on the list, cut or altered bytes, values that contain themselves, are nested too deeply or unfold without bound, a
/// key that occurs twice.
Pickle read_pickle(std::span<const std::byte> bytes, const std::string& source, std::uint64_t offset = 0);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/pickle_inl.hpp>
#endif
