// SPDX-License-Identifier: MIT
// Writing pickles of the names and values that read_pickle accepts, in protocol 2 as torch.save does: what was read and
// is written again has the bytes that torch gave it.
#pragma once
#include <string>

#include <modelgrow/checkpoint/pickle.hpp>

namespace modelgrow::inline v0 {

/// A written pickle, and the storages that it names, in the order of their first use.
struct WrittenPickle {
  std::string bytes = {};
  std::vector<std::shared_ptr<PickleStorage>> storages = {};
};

/// Values that share what they hold (PickleValue::identity) are one object for who reads it. Throws format_error for a
/// name that read_pickle refuses, values that are nested too deeply or contain themselves, two storages of one key, and
/// texts that are not UTF-8.
WrittenPickle write_pickle(const PickleValue& root);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/pickle_writer_inl.hpp>
#endif
