// SPDX-License-Identifier: MIT
// The definitions of torch_file.hpp.
#pragma once
#include <array>
#include <cctype>
#include <fstream>

#include <modelgrow/checkpoint/folder.hpp>
#include <modelgrow/checkpoint/gather.hpp>
#include <modelgrow/checkpoint/torch_contents.hpp>
#include <modelgrow/checkpoint/torch_file.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/mmap.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE bool is_torch_file(const std::filesystem::path& path) {
  std::string ending = path.extension().string();
  for (char& c : ending) c = char(std::tolower(static_cast<unsigned char>(c)));
  if (std::ranges::find(detail::pickle_endings, ending) != std::end(detail::pickle_endings)) return true;
  std::error_code ignored;
  if (ending == ".safetensors" || !std::filesystem::is_regular_file(path, ignored)) return false;
  char head[4] = {};
  std::ifstream(path, std::ios::binary).read(head, sizeof head);
  return detail::is_archive({head, sizeof head}) || std::string_view(head, sizeof head) == detail::legacy_head;
}

MODELGROW_INLINE TorchFile TorchFile::open(const std::filesystem::path& path) {
  auto mapping = std::make_shared<detail::Mapping>(path);
  const std::uint64_t size = mapping->bytes().size();
  return open(path, std::move(mapping), 0, size);
}

MODELGROW_INLINE TorchFile TorchFile::open(const std::filesystem::path& path, std::shared_ptr<detail::Mapping> mapping,
                                           std::uint64_t offset, std::uint64_t size) {
  const auto all = mapping->bytes();
  if (offset > all.size() || size > all.size() - offset)
    throw format_error(path.string() + ": it has " + std::to_string(all.size()) + " bytes; an archive of " +
                       std::to_string(size) + " should begin at " + std::to_string(offset) +
                       ": the file is cut, or of another save; fetch or write it again");
  auto found = detail::TorchContents::read(all.subspan(offset, size), path.string(), offset);
  return TorchFile(Content{.path = path,
                           .mapping = std::move(mapping),
                           .pickle = std::move(found.pickle),
                           .storages = std::move(found.storages)});
}

MODELGROW_INLINE std::span<const std::byte> TorchFile::bytes(const PickleStorage& storage) const {
  const auto found = content_->storages.find(storage.name());
  if (found == content_->storages.end())
    throw format_error(path().string() + ": it has no storage '" + storage.name() + "'; take one of this file");
  return found->second;
}

MODELGROW_INLINE std::vector<std::byte> TorchFile::copy(const PickleTensor& tensor) const {
  const auto from = detail::strided(tensor, bytes(*tensor.storage), path().string() + ": a tensor");
  detail::check_copied(path(), content_->mapping->bytes().size(), from.bytes);
  std::vector<std::byte> bytes;
  bytes.reserve(from.bytes);
  from.gather([&](std::span<const std::byte> piece) { bytes.insert(bytes.end(), piece.begin(), piece.end()); });
  return bytes;
}

MODELGROW_INLINE MappedTensors TorchFile::tensors(const std::vector<Named>& named) const {
  std::vector<TensorView> views;
  std::vector<std::pair<std::size_t, detail::Strided>> scattered;
  for (const auto& [name, tensor] : named) {
    const auto from = detail::strided(tensor, bytes(*tensor.storage), path().string() + ": tensor '" + name + "'");
    views.push_back(
        {.name = name, .dtype = tensor.dtype, .shape = tensor.shape, .data = from.data, .bytes = from.bytes});
    if (!is_contiguous(tensor)) scattered.emplace_back(views.size() - 1, from);
  }
  std::vector<std::shared_ptr<detail::Mapping>> mappings{content_->mapping};
  if (!scattered.empty()) {
    detail::Gathered gathered(path(), content_->mapping->bytes().size());
    for (const auto& [i, from] : scattered) gathered.add(from);
    mappings.push_back(gathered.map());
    std::size_t at = 0;
    for (const auto& [i, from] : scattered)
      views[i].data = mappings.back()->bytes().data() + std::exchange(at, at + from.bytes);
  }
  return {path(), {}, std::move(views), std::move(mappings)};
}

}  // namespace modelgrow::inline v0
