// SPDX-License-Identifier: MIT
// The definitions of torch_rewriter.hpp.
#pragma once
#include <algorithm>

#include <modelgrow/checkpoint/torch_rewriter.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/core/words.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE TorchRewriter::TorchRewriter(const std::filesystem::path& path)
    : file_(TorchFile::open(path)), root_(file_.root()) {
  constexpr std::size_t digits = 18;  // all of them fit into 64 bits
  for (const auto& storage : file_.storages())
    if (const auto& key = storage->name(); key.size() <= digits && detail::all_digits(key))
      next_ = std::max<std::int64_t>(next_, std::stoll(key) + 1);
}

MODELGROW_INLINE PickleValue TorchRewriter::add(JoinedTensor tensor) {
  auto value = torch_tensor(std::to_string(next_++), tensor.dtype(), tensor.shape());
  added_.emplace(value.storage.get(), std::move(tensor));
  return value;
}

MODELGROW_INLINE void TorchRewriter::write(const std::filesystem::path& path, Existing existing) const {
  TorchWriter writer(path, root_, existing);
  std::vector<std::byte> buffer(std::size_t{4} << 20);
  for (const auto& storage : writer.storages()) {
    const auto added = added_.find(storage.get());
    if (added == added_.end()) {
      writer.write(file_.bytes(*storage));
      continue;
    }
    const auto& tensor = added->second;
    for (std::uint64_t at = 0; at < tensor.bytes(); at += buffer.size()) {
      const auto n = std::min<std::uint64_t>(buffer.size(), tensor.bytes() - at);
      const auto piece = std::span(buffer).first(std::size_t(n));
      tensor.read(at, piece);
      writer.write(piece);
    }
  }
  writer.commit();
}

}  // namespace modelgrow::inline v0
