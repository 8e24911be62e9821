// SPDX-License-Identifier: MIT
// The definitions of dcp.hpp.
#pragma once
#include <algorithm>

#include <modelgrow/checkpoint/dcp.hpp>
#include <modelgrow/checkpoint/dcp_metadata.hpp>
#include <modelgrow/checkpoint/folder_weights.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/mmap.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// "__0_0.distcp", or "optim/__0_0.distcp" of a run that has folders.
inline std::string in_folder(const std::string& below, const std::string& name) {
  return below.empty() ? name : below + "/" + name;
}

/// "model.w", or "model.w at [3, 0]": what .metadata knows a place by.
inline std::string place_key(const std::string& name, const Shape* offset) {
  return offset ? name + " at " + modelgrow::to_string(*offset) : name;
}

}  // namespace detail

MODELGROW_INLINE std::string DcpFolder::Item::keys_before(std::size_t n) const {
  std::string text;
  for (std::size_t i = 0; i < n; ++i) text.append(i ? "/" : "").append(keys[i]);
  return text;
}

MODELGROW_INLINE DcpFolder DcpFolder::open(const std::filesystem::path& path) {
  DcpFolder folder;
  folder.path_ = path;
  folder.folders_ = detail::two_in(path);
  if (folder.folders_.empty()) folder.read({});
  for (const auto& below : folder.folders_) folder.read(below);
  folder.open_files();
  return folder;
}

MODELGROW_INLINE std::string DcpFolder::folder_of(const std::string& at) const {
  return folders_.empty() ? std::string() : at.substr(0, at.find('/'));
}

MODELGROW_INLINE void DcpFolder::read(const std::string& below) {
  if (!detail::has_metadata(path_ / below))
    throw io_error(
        "cannot read '" + (below.empty() ? path_ : path_ / below).string() +
        "' as a distributed checkpoint: it has no .metadata; fetch it too, or save again (the run may have "
        "ended while it saved)" +
        (below.empty() ? "" : ", or give '" + (path_ / detail::model_of_two).string() + "' to go on without moments"));
  const auto root = TorchFile::open(metadata(below)).root();
  const auto* tensors = detail::attribute(root, "Metadata", "state_dict_metadata");
  const auto* places = detail::attribute(root, "Metadata", "storage_data");
  const auto* keys = detail::attribute(root, "Metadata", "planner_data");
  if (!tensors || !tensors->get<PickleDict>() || !places || !places->get<PickleDict>())
    throw format_error(metadata(below).string() +
                       ": it is no metadata of a distributed checkpoint in files (state_dict_metadata, storage_data)");
  read_items(below, *tensors->get<PickleDict>(), keys ? keys->get<PickleDict>() : nullptr);
  read_places(below, *places->get<PickleDict>());
}

MODELGROW_INLINE void DcpFolder::read_items(const std::string& below, const PickleDict& tensors,
                                            const PickleDict* keys) {
  for (const auto& entry : tensors.items) {
    const auto* name = entry.key.get<std::string>();
    const auto* object = entry.value.get<PickleObject>();
    const auto fail = [&](const std::string& what) {
      throw format_error(metadata(below).string() + ": '" + (name ? *name : entry.key.kind()) + "' " + what);
    };
    if (!name || !object) fail("is " + entry.value.kind() + "; expected what torch says of a tensor or of bytes");
    Item item{.about = {.name = detail::in_folder(below, *name)}};
    if (!below.empty()) item.keys.push_back(below);
    const auto* path = keys && keys->find(*name) ? keys->find(*name)->get<PickleTuple>() : nullptr;
    if (!path) item.keys.push_back(*name);
    for (std::size_t i = 0; path && i < path->values.size(); ++i) {
      const auto* text = path->values[i].get<std::string>();
      const auto* number = path->values[i].get<std::int64_t>();
      if (!text && !number) fail("has a key that is " + path->values[i].kind());
      item.keys.push_back(text ? *text : std::to_string(*number));
    }
    if (object->type.name == "TensorStorageMetadata") {
      item.is_tensor = true;
      const auto size = detail::size_of(detail::attribute(entry.value, "TensorStorageMetadata", "size"));
      const auto type =
          detail::dtype_of_properties(detail::attribute(entry.value, "TensorStorageMetadata", "properties"));
      const auto* chunks = detail::attribute(entry.value, "TensorStorageMetadata", "chunks");
      if (!size || !type || !chunks || !chunks->get<PickleList>()) fail("has no type, size or list of chunks");
      item.about.shape = *size;
      item.about.dtype = *type;
      for (const auto& chunk : chunks->get<PickleList>()->values) {
        const auto offset = detail::size_of(detail::attribute(chunk, "ChunkStorageMetadata", "offsets"));
        const auto sizes = detail::size_of(detail::attribute(chunk, "ChunkStorageMetadata", "sizes"));
        if (!offset || !sizes || offset->rank() != sizes->rank()) fail("has a chunk without offsets and sizes");
        item.boxes.emplace_back(*offset, *sizes);
      }
    } else if (object->type.name != "BytesStorageMetadata") {
      fail("is " + entry.value.kind() + ", neither a tensor nor bytes");
    }
    item_of_.emplace(item.about.name, items_.size());
    items_.push_back(std::move(item));
  }
}

MODELGROW_INLINE void DcpFolder::read_places(const std::string& below, const PickleDict& places) {
  for (const auto& entry : places.items) {
    const auto text = [&](const char* type, const PickleValue& of, const char* name) {
      const auto* value = detail::attribute(of, type, name);
      return value ? value->get<std::string>() : nullptr;
    };
    const auto number = [&](const char* name) {
      const auto* value = detail::attribute(entry.value, "_StorageInfo", name);
      const auto* n = value ? value->get<std::int64_t>() : nullptr;
      return n && *n >= 0 ? n : nullptr;
    };
    const auto* name = text("MetadataIndex", entry.key, "fqn");
    const auto* file = text("_StorageInfo", entry.value, "relative_path");
    const auto *offset = number("offset"), *size = number("length");
    if (!name || !file || !offset || !size || file->empty() || file->find('/') != file->npos || *file == "..")
      throw format_error(metadata(below).string() + ": the place of " + (name ? "'" + *name + "'" : entry.key.kind()) +
                         " is no file of the folder with offset and length");
    if (const auto* packed = detail::attribute(entry.value, "_StorageInfo", "transform_descriptors");
        packed && !packed->is_none())
      throw format_error(metadata(below).string() + ": '" + *name +
                         "' is packed; save without extensions of the writer");
    const auto begin = detail::size_of(detail::attribute(entry.key, "MetadataIndex", "offset"));
    const auto within = detail::in_folder(below, *file);
    places_[detail::place_key(detail::in_folder(below, *name), begin ? &*begin : nullptr)] =
        Place{.file = within, .offset = std::uint64_t(*offset), .size = std::uint64_t(*size)};
    files_.emplace(within, nullptr);
  }
}

MODELGROW_INLINE void DcpFolder::open_files() {
  std::vector<std::string> missing;
  std::error_code ignored;
  for (const auto& [file, mapping] : files_)
    if (!std::filesystem::exists(path_ / file, ignored)) missing.push_back(file);
  if (!missing.empty())
    throw io_error("cannot read '" + path_.string() + "': of the " + std::to_string(files_.size()) +
                   " files of ranks that .metadata names, " + detail::quoted_list(missing) +
                   (missing.size() == 1 ? " is" : " are") + " missing; fetch what is missing, too");
  std::map<std::string, std::uint64_t> ends;
  for (const auto& [name, place] : places_) {
    std::uint64_t end;
    if (__builtin_add_overflow(place.offset, place.size, &end)) end = UINT64_MAX;
    ends[place.file] = std::max(ends[place.file], end);
  }
  for (auto& [file, mapping] : files_) {
    mapping = std::make_shared<detail::Mapping>(path_ / file);
    if (mapping->bytes().size() != ends[file])
      throw format_error((path_ / file).string() + ": it has " + std::to_string(mapping->bytes().size()) +
                         " bytes, and .metadata says " + std::to_string(ends[file]) +
                         ": it is cut, or of another save; fetch the files of one save");
  }
  constexpr std::uint64_t head = 2048, directory = 2048;  // of an archive with one tensor
  for (const auto& [name, place] : places_) {
    const auto archive = files_[place.file]->bytes().subspan(place.offset, place.size);
    detail::ask_for(archive.first(std::min(head, place.size)));
    detail::ask_for(archive.last(std::min(directory, place.size)));
  }
}

MODELGROW_INLINE const DcpFolder::Item& DcpFolder::item(std::string_view name) const {
  if (const auto it = item_of_.find(name); it != item_of_.end()) return items_[it->second];
  std::vector<std::string_view> names;
  for (const auto& [known, place] : item_of_) names.push_back(known);
  throw format_error(path_.string() + ": there is nothing under '" + std::string(name) + "'" +
                     nearest_names(name, names));
}

MODELGROW_INLINE TorchFile DcpFolder::archive(const Item& item, const Shape* offset) const {
  const auto key = detail::place_key(item.about.name, offset);
  const auto it = places_.find(key);
  if (it == places_.end())
    throw format_error(metadata(item.keys_before(1)).string() + ": '" + key + "' stands in no file; save again");
  const auto& place = it->second;
  try {
    return TorchFile::open(path_ / place.file, files_.at(place.file), place.offset, place.size);
  } catch (const format_error& e) {
    throw format_error(std::string(e.what()) + " (there should be '" + key +
                       "': the files of one save belong together)");
  }
}

MODELGROW_INLINE JoinedTensor DcpFolder::tensor(const Item& item) const {
  std::vector<TensorPart> parts;
  for (const auto& [offset, size] : item.boxes) {
    if (numel(size) == 0) continue;
    const auto file = archive(item, &offset);
    const auto tensor = tensor_of(file.root());
    if (!tensor || tensor->shape != size || tensor->dtype != item.about.dtype)
      throw format_error(
          file.path().string() + ": in the place of '" + detail::place_key(item.about.name, &offset) + "' of type " +
          std::string(name(item.about.dtype)) + " and size " + to_string(size) + " stands " +
          (tensor ? "one of type " + std::string(name(tensor->dtype)) + " and size " + to_string(tensor->shape)
                  : file.root().kind()) +
          "; the file is of another save");
    auto box = std::make_shared<const MappedTensors>(file.tensors({{item.about.name, *tensor}}));
    const auto* data = box->tensors()[0].data;
    parts.push_back({.offset = offset, .shape = size, .data = data, .memory = box, .file = box});
  }
  return JoinedTensor(item.about, JoinedTensor::Parts::boxes, std::move(parts), path_.string());
}

MODELGROW_INLINE PickleValue DcpFolder::value(const Item& item) const {
  if (item.is_tensor) throw format_error(path_.string() + ": '" + item.about.name + "' is a tensor; read it as one");
  return archive(item, nullptr).root();
}

MODELGROW_INLINE std::vector<JoinedTensor> DcpFolder::tensors(const std::string& at) const {
  std::vector<JoinedTensor> all;
  for (const auto& item : items_)
    if (item.is_tensor && !item.keys.empty() && item.keys_before(item.keys.size() - 1) == at)
      all.push_back(tensor(item).renamed(item.keys.back()));
  return all;
}

}  // namespace modelgrow::inline v0
