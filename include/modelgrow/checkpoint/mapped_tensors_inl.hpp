// SPDX-License-Identifier: MIT
// The definitions of mapped_tensors.hpp.
#pragma once
#include <functional>

#include <modelgrow/checkpoint/mapped_tensors.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/mmap.hpp>

namespace modelgrow::inline v0 {

namespace detail {
inline Names tensor_names(const std::vector<TensorView>& tensors, const std::filesystem::path& path) {
  std::vector<NamedShape> entries;
  for (const auto& t : tensors) entries.push_back(NamedShape{.name = t.name, .dtype = t.dtype, .shape = t.shape});
  return Names(std::move(entries), path.string());
}
}  // namespace detail

MODELGROW_INLINE MappedTensors::MappedTensors(const std::filesystem::path& path, Metadata metadata,
                                              std::vector<TensorView> tensors,
                                              std::vector<std::shared_ptr<detail::Mapping>> mappings)
    : mappings_(std::move(mappings)),
      content_(std::make_shared<const Content>(
          Content{.path = path, .metadata = std::move(metadata), .tensors = std::move(tensors)})),
      names_(detail::tensor_names(content_->tensors, path)) {}

MODELGROW_INLINE const TensorView* MappedTensors::find(std::string_view name) const {
  const auto* entry = names_.find(name);
  return entry ? &content_->tensors[std::size_t(entry - &names_[0])] : nullptr;
}

MODELGROW_INLINE std::vector<std::span<const std::byte>> MappedTensors::memory() const {
  std::vector<std::span<const std::byte>> parts;
  for (const auto& m : mappings_) parts.push_back(m->bytes());
  return parts;
}

MODELGROW_INLINE const detail::Mapping& MappedTensors::mapping_of(std::span<const std::byte> part) const noexcept {
  for (const auto& m : mappings_)
    if (std::less_equal<>()(m->bytes().data(), part.data()) &&
        std::less<>()(part.data(), m->bytes().data() + m->bytes().size()))
      return *m;
  return *mappings_.front();
}

MODELGROW_INLINE void MappedTensors::prepare(std::span<const std::byte> part) const {
  if (!part.empty()) mapping_of(part).prepare(part);
}

MODELGROW_INLINE void MappedTensors::release(std::span<const std::byte> part) const noexcept {
  if (!part.empty()) mapping_of(part).release(part);
}

}  // namespace modelgrow::inline v0
