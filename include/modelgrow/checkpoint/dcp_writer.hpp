// SPDX-License-Identifier: MIT
// Writing folders of torch.distributed.checkpoint: one file with all tensors whole, which any number of ranks loads,
// and .metadata that says where each stands.
#pragma once
#include <optional>

#include <modelgrow/checkpoint/dcp.hpp>
#include <modelgrow/checkpoint/segmented_file.hpp>
#include <modelgrow/checkpoint/stored_optimizer.hpp>
#include <modelgrow/detail/partial.hpp>

namespace modelgrow::inline v0 {

/// A tensor or another value, and the keys that lead to it; a number among them stands for a place in a list.
struct DcpEntry {
  std::vector<PickleValue> keys;
  std::optional<JoinedTensor> tensor = {};
  PickleValue value = {};
};

/// How the state of an optimizer lies in a dictionary: nested, or flattened (flatten_optimizer_state_dict of torch).
enum class DcpLayout { nested, flattened };

/// Tensors behind some keys ("model", "app/model", "" for none) and the name of each.
std::vector<DcpEntry> dcp_entries(const std::vector<JoinedTensor>& tensors, const std::string& at);
/// The state of an optimizer behind some keys. Throws format_error where parameters have no names.
std::vector<DcpEntry> dcp_entries(const StoredOptimizer& optimizer, const std::string& at, DcpLayout layout);

/// The file of all tensors in a folder that is written here.
inline constexpr const char* dcp_file = "__0_0.distcp";

/// Writes the folder at once or not at all, or into the folder of a journal. Tensors are read by pieces, from several
/// threads; what was written counts them in the order of the entries. Throws io_error, and format_error: two entries of
/// one name, element types that torch does not have.
WrittenFile write_dcp(const std::filesystem::path& folder, const std::vector<DcpEntry>& entries,
                      Existing existing = Existing::replace, const WriteWindows& how = {});

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/dcp_writer_inl.hpp>
#endif
