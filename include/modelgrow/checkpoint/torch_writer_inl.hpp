// SPDX-License-Identifier: MIT
// The definitions of torch_writer.hpp.
#pragma once
#include <algorithm>

#include <modelgrow/checkpoint/torch_names.hpp>
#include <modelgrow/checkpoint/torch_writer.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE PickleValue torch_state_dict(const std::vector<NamedShape>& tensors) {
  PickleDict dict{.ordered = true};
  for (const auto& t : tensors)
    dict.items.push_back(
        PickleItem{.key = t.name, .value = torch_tensor(std::to_string(dict.items.size()), t.dtype, t.shape)});
  return dict;
}

MODELGROW_INLINE TorchWriter::TorchWriter(const std::filesystem::path& path, const PickleValue& root, Existing existing)
    : folder_(path.stem().string() + "/"), pickle_(write_pickle(root)), zip_(path, existing) {
  zip_.record(folder_ + "data.pkl", pickle_.bytes);
  zip_.record(folder_ + ".format_version", "1");
  zip_.record(folder_ + ".storage_alignment", std::to_string(detail::zip_alignment));
  zip_.record(folder_ + "byteorder", "little");
}

MODELGROW_INLINE void TorchWriter::next() {
  const PickleStorage& storage = *pickle_.storages[current_++];
  left_ = std::uint64_t(storage.elements) * std::uint64_t(bits(*detail::storage_dtype(storage.type)) / 8);
  zip_.begin(folder_ + "data/" + storage.name(), left_);
}

MODELGROW_INLINE void TorchWriter::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    while (left_ == 0) {
      if (current_ == pickle_.storages.size())
        throw format_error(path().string() + ": it was given " + std::to_string(bytes.size()) +
                           " bytes more than its storages have");
      next();
    }
    const auto piece = bytes.first(std::size_t(std::min<std::uint64_t>(bytes.size(), left_)));
    zip_.append(piece);
    left_ -= piece.size();
    bytes = bytes.subspan(piece.size());
  }
}

MODELGROW_INLINE void TorchWriter::finish() {
  if (finished_) return;
  if (left_ > 0)
    throw format_error(path().string() + ": storage '" + pickle_.storages[current_ - 1]->name() + "' lacks " +
                       std::to_string(left_) + " bytes");
  while (current_ < pickle_.storages.size()) {
    next();
    if (left_ > 0)
      throw format_error(path().string() + ": storage '" + pickle_.storages[current_ - 1]->name() +
                         "' was not written");
  }
  zip_.record(folder_ + "version", "3\n");
  zip_.finish();
  finished_ = true;
}

MODELGROW_INLINE void TorchWriter::commit() {
  finish();
  zip_.commit();
}

}  // namespace modelgrow::inline v0
