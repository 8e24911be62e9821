// SPDX-License-Identifier: MIT
// The definitions of writer.hpp.
#pragma once
#include <modelgrow/checkpoint/writer.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE SafetensorsWriter::SafetensorsWriter(FileLayout layout, Existing existing)
    : layout_(std::move(layout)), file_(layout_.path, existing), written_(layout_.tensors.size(), 0) {
  for (std::size_t i = 0; i < layout_.tensors.size(); ++i) place_.emplace(layout_.tensors[i].name, i);
  file_.reserve(layout_.bytes());
  file_.append(layout_.header);
}

MODELGROW_INLINE void SafetensorsWriter::write(std::string_view name, std::span<const std::byte> bytes) {
  const auto it = place_.find(name);
  if (it == place_.end()) throw format_error(path().string() + ": tensor '" + std::string(name) + "' was not declared");
  const std::size_t i = it->second;
  const std::uint64_t declared = layout_.begin[i + 1] - layout_.begin[i];
  if (bytes.size() > declared - written_[i])
    throw format_error(path().string() + ": tensor '" + std::string(name) + "' was given " +
                       std::to_string(written_[i] + bytes.size()) + " bytes; it was declared with " +
                       std::to_string(declared));
  file_.write_at(layout_.begin[i] + written_[i], bytes);
  written_[i] += bytes.size();
}

MODELGROW_INLINE void SafetensorsWriter::finish() {
  for (std::size_t i = 0; i < written_.size(); ++i)
    if (const std::uint64_t declared = layout_.begin[i + 1] - layout_.begin[i]; written_[i] != declared)
      throw format_error(path().string() + ": tensor '" + layout_.tensors[i].name + "' is incomplete: " +
                         std::to_string(written_[i]) + " of " + std::to_string(declared) + " bytes were written");
  file_.sync();
}

MODELGROW_INLINE void SafetensorsWriter::commit() {
  finish();
  file_.commit();
}

}  // namespace modelgrow::inline v0
