// SPDX-License-Identifier: MIT
// An archive of torch.save as part of a file that is known before it is written.
#pragma once
#include <modelgrow/checkpoint/pickle_value.hpp>
#include <modelgrow/checkpoint/segmented_file.hpp>

namespace modelgrow::inline v0::detail {

/// Appends what torch.load(weights_only=True) reads as `root`, whose storages, in the order in which it names them,
/// have the numbers of these tensors. Records lie in `folder` ("archive/") and begin at multiples of 64 bytes of the
/// file. Returns where the archive begins. Throws format_error for names that are too long, other numbers of tensors
/// and other sizes, and what write_pickle throws.
std::uint64_t add_torch_archive(SegmentedFile& file, const std::string& folder, const PickleValue& root,
                                std::vector<JoinedTensor> tensors);

}  // namespace modelgrow::inline v0::detail

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/torch_archive_inl.hpp>
#endif
