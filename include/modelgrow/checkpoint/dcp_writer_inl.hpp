// SPDX-License-Identifier: MIT
// The definitions of dcp_writer.hpp.
#pragma once
#include <set>

#include <modelgrow/checkpoint/dcp_writer.hpp>
#include <modelgrow/checkpoint/pickle_build.hpp>
#include <modelgrow/checkpoint/pickle_writer.hpp>
#include <modelgrow/checkpoint/torch_archive.hpp>
#include <modelgrow/checkpoint/torch_names.hpp>
#include <modelgrow/checkpoint/torch_tensor.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/core/words.hpp>
#include <modelgrow/detail/atomic_directory.hpp>
#include <modelgrow/detail/atomic_file.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// An object of torch.distributed.checkpoint with these attributes.
inline PickleValue dcp_object(const char* module, const char* type, PickleValue state) {
  return PickleObject{.type = {std::string("torch.distributed.checkpoint.") + module, type},
                      .allocated = true,
                      .state = std::move(state)};
}
/// What .metadata says of a whole tensor.
inline PickleValue tensor_metadata(const JoinedTensor& tensor) {
  const auto* type = torch_type(tensor.dtype());
  if (!type)
    throw format_error("tensor '" + tensor.name() + "' is of type " + std::string(name(tensor.dtype())) +
                       ", which torch has not; convert it");
  Shape origin = tensor.shape();
  for (int a = 0; a < origin.rank(); ++a) origin[a] = 0;
  PickleTuple properties{{PickleGlobal{"torch", std::string(type->name)},
                          PickleObject{.type = {"torch.serialization", "_get_layout"},
                                       .arguments = PickleTuple{{PickleValue("torch.strided")}}},
                          PickleValue(false),
                          PickleObject{.type = {"torch.distributed.checkpoint.metadata", "_MEM_FORMAT_ENCODING"},
                                       .arguments = PickleTuple{{PickleValue(0)}}},
                          PickleValue(false)}};
  PickleList chunks;
  chunks.values.push_back(
      dcp_object("metadata", "ChunkStorageMetadata",
                 attributes({{"offsets", torch_size(origin)}, {"sizes", torch_size(tensor.shape())}})));
  return dcp_object("metadata", "TensorStorageMetadata",
                    attributes({{"properties", dcp_object("metadata", "TensorProperties", std::move(properties))},
                                {"size", torch_size(tensor.shape())},
                                {"chunks", std::move(chunks)}}));
}

/// "app/model" and more keys.
inline std::vector<PickleValue> keys_behind(const std::string& at, const std::vector<PickleValue>& more) {
  std::vector<PickleValue> keys;
  if (!at.empty())
    for (auto& key : split_at(at, '/')) keys.emplace_back(std::move(key));
  keys.insert(keys.end(), more.begin(), more.end());
  return keys;
}

}  // namespace detail

MODELGROW_INLINE std::vector<DcpEntry> dcp_entries(const std::vector<JoinedTensor>& tensors, const std::string& at) {
  std::vector<DcpEntry> entries;
  for (const auto& t : tensors)
    entries.push_back({.keys = detail::keys_behind(at, {PickleValue(t.name())}), .tensor = t});
  return entries;
}

MODELGROW_INLINE std::vector<DcpEntry> dcp_entries(const StoredOptimizer& optimizer, const std::string& at,
                                                   DcpLayout layout) {
  if (!optimizer.has_names())
    throw format_error(optimizer.source + ": a distributed checkpoint has names, and parameters have none; name them");
  const bool flat = layout == DcpLayout::flattened;
  const auto behind = [&](std::vector<PickleValue> keys) { return detail::keys_behind(at, std::move(keys)); };
  std::vector<DcpEntry> entries;
  for (const auto& p : optimizer.parameters)
    for (const auto& e : p.entries) {
      auto& entry = entries.emplace_back();
      if (flat)
        entry.keys = behind({PickleValue("state." + optimizer.prefix + p.name + "." + e.name)});
      else
        entry.keys = behind({PickleValue("state"), PickleValue(optimizer.prefix + p.name), PickleValue(e.name)});
      if (e.number.is_none())
        entry.tensor = e.tensor;
      else
        entry.value = e.number;
    }
  for (std::size_t g = 0; g < optimizer.groups.size(); ++g) {
    const auto& group = optimizer.groups[g];
    const auto add = [&](std::vector<PickleValue> keys, const PickleValue& value) {
      entries.push_back({.keys = std::move(keys), .value = value});
    };
    PickleList names;
    for (const auto place : group.parameters)
      names.values.emplace_back(optimizer.prefix + optimizer.parameters[place].name);
    auto options = group.options;
    if (optimizer.param_names) options.set("param_names", names);
    for (const auto& item : options.items) {
      const auto& key = *item.key.get<std::string>();
      for (std::size_t i = 0; flat && i < names.values.size(); ++i)
        add(behind({PickleValue("param_groups." + *names.values[i].get<std::string>() + "." + key)}), item.value);
      if (!flat) add(behind({PickleValue("param_groups"), PickleValue(std::int64_t(g)), PickleValue(key)}), item.value);
    }
    if (!flat)
      add(behind({PickleValue("param_groups"), PickleValue(std::int64_t(g)), PickleValue("params")}), std::move(names));
  }
  return entries;
}

MODELGROW_INLINE WrittenFile write_dcp(const std::filesystem::path& folder, const std::vector<DcpEntry>& entries,
                                       Existing existing, const WriteWindows& how) {
  std::optional<detail::AtomicDirectory> directory;
  if (how.journal)
    std::filesystem::create_directories(folder);
  else
    directory.emplace(folder, existing);
  const auto& place = directory ? directory->path() : folder;
  detail::SegmentedFile archives;
  PickleDict tensors, keys, places;
  std::set<std::string> names;
  for (const auto& entry : entries) {
    std::string name;
    for (const auto& key : entry.keys) {
      const auto* number = key.get<std::int64_t>();
      name.append(name.empty() ? "" : ".").append(number ? std::to_string(*number) : *key.get<std::string>());
    }
    if (!names.insert(name).second) throw format_error(folder.string() + ": two values have the name '" + name + "'");
    auto index = detail::attributes({{"fqn", name}, {"index", PickleValue()}});
    PickleValue about = detail::dcp_object("metadata", "BytesStorageMetadata", {}), value = entry.value;
    if (entry.tensor) {
      about = detail::tensor_metadata(*entry.tensor);
      Shape origin = entry.tensor->shape();
      for (int a = 0; a < origin.rank(); ++a) origin[a] = 0;
      index.items.back().value = PickleValue(0);
      index.items.push_back({.key = "offset", .value = detail::torch_size(origin)});
      value = torch_tensor("0", entry.tensor->dtype(), entry.tensor->shape());
    }
    std::vector<JoinedTensor> content;
    if (entry.tensor) content.push_back(*entry.tensor);
    const auto at = detail::add_torch_archive(archives, "archive/", value, std::move(content));
    const auto size = archives.bytes() - at;
    tensors.items.push_back({.key = name, .value = std::move(about)});
    keys.items.push_back({.key = name, .value = PickleTuple{entry.keys}});
    places.items.push_back({.key = detail::dcp_object("metadata", "MetadataIndex", std::move(index)),
                            .value = detail::dcp_object("filesystem", "_StorageInfo",
                                                        detail::attributes({{"relative_path", dcp_file},
                                                                            {"offset", std::int64_t(at)},
                                                                            {"length", std::int64_t(size)}}))});
  }
  WrittenFile written = archives.write(place / dcp_file, Existing::replace, how);
  const auto metadata = detail::dcp_object("metadata", "Metadata",
                                           detail::attributes({{"state_dict_metadata", std::move(tensors)},
                                                               {"planner_data", std::move(keys)},
                                                               {"storage_data", std::move(places)},
                                                               {"storage_meta", PickleValue()},
                                                               {"version", "1.0.0"}}));
  detail::write_file(place / DcpFolder::metadata_file, write_pickle(metadata).bytes);
  if (directory) directory->commit();
  return written;
}

}  // namespace modelgrow::inline v0
