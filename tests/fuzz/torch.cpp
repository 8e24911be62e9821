// SPDX-License-Identifier: MIT
// Files of torch: every storage lies inside of the file, and every tensor of the weights inside of its storage.
#include <modelgrow/checkpoint/gather.hpp>
#include <modelgrow/checkpoint/torch_contents.hpp>
#include <modelgrow/checkpoint/torch_weights.hpp>
#include <tests/fuzz/support/target.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {
bool inside(std::span<const std::byte> part, std::span<const std::byte> all) {
  return part.data() >= all.data() && part.data() + part.size() <= all.data() + all.size();
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return read_or_refuse(data, size, [](std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    const auto file = detail::TorchContents::read(bytes, "fuzz", 0);
    for (const auto& storage : file.pickle.storages)
      must(file.storages.contains(storage->name()), "storages are found");
    for (const auto& [name, storage] : file.storages) must(inside(storage, bytes), "storages lie inside of the file");
    const auto weights = find_torch_weights(file.pickle.value, "", "fuzz");
    for (const auto& [name, tensor] : weights.tensors) {
      const auto& storage = file.storages.at(tensor.storage->name());
      const auto view = detail::strided(tensor, storage, "fuzz");
      if (is_contiguous(tensor)) must(inside({view.data, view.bytes}, storage), "tensors lie inside of their storages");
      if (view.bytes > 1 << 16) continue;
      std::size_t gathered = 0;
      view.gather([&](std::span<const std::byte> piece) { gathered += piece.size(); });
      must(gathered == view.bytes, "tensors are gathered whole");
    }
  });
}
