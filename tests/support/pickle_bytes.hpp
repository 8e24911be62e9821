// SPDX-License-Identifier: MIT
// Pickles built by hand, instruction by instruction, and zip archives of stored records without what torch adds to
// them: independent of the writers under test, and each piece can be wrong.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tests/support/gguf_bytes.hpp>

namespace modelgrow::testing {

inline std::string u16(std::uint64_t n) { return u64(n).substr(0, 2); }

namespace pickled {

/// Protocol 2, instructions, STOP.
inline std::string file(std::string_view body) { return "\x80\x02" + std::string(body) + "."; }
inline std::string text(std::string_view s) { return "X" + u32(std::uint32_t(s.size())) + std::string(s); }
inline std::string number(std::int32_t n) { return "J" + u32(std::uint32_t(n)); }
inline std::string global(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}
inline std::string tuple(std::string_view items) { return "(" + std::string(items) + "t"; }
inline std::string numbers(const std::vector<std::int32_t>& list) {
  std::string items;
  for (auto n : list) items += number(n);
  return tuple(items);
}
/// {key: value, ..} of instructions.
inline std::string dict(const std::vector<std::pair<std::string, std::string>>& items) {
  std::string all = "}(";
  for (const auto& [key, value] : items) all += key + value;
  return all + "u";
}
inline const std::string no_hooks = global("collections", "OrderedDict") + ")R";
inline std::string storage(std::string_view key, std::int32_t elements, std::string_view type = "FloatStorage") {
  return tuple(text("storage") + global("torch", type) + text(key) + text("cpu") + number(elements)) + "Q";
}
/// A call of _rebuild_tensor_v2; `rest` are the arguments behind the strides.
inline std::string tensor(std::string_view storage, std::int32_t offset, const std::vector<std::int32_t>& sizes,
                          const std::vector<std::int32_t>& strides, const std::string& rest = "\x89" + no_hooks) {
  return global("torch._utils", "_rebuild_tensor_v2") +
         tuple(std::string(storage) + number(offset) + numbers(sizes) + numbers(strides) + rest) + "R";
}

}  // namespace pickled

/// A record, and fields of its headers that can be made wrong.
struct ZipPart {
  std::string name, bytes;
  std::uint16_t flags = 0, method = 0;
  std::string local_name = {};             // another one in its header
  std::string extra = {};                  // of the directory
  std::uint64_t size = std::uint64_t(-1);  // in the directory; 0xFFFFFFFF for a long one
  std::int64_t moved = 0;                  // what the directory adds to the place of the header
};

/// An archive of these; `comment` stands at its end.
inline std::string zip(const std::vector<ZipPart>& parts, std::string_view comment = {}) {
  std::string all, directory;
  for (const auto& p : parts) {
    const auto size = u32(std::uint32_t(p.size == std::uint64_t(-1) ? p.bytes.size() : p.size));
    const std::string& local = p.local_name.empty() ? p.name : p.local_name;
    directory += u32(0x02014b50) + u16(20) + u16(20) + u16(p.flags) + u16(p.method) + u32(0) + u32(0) + size + size +
                 u16(p.name.size()) + u16(p.extra.size()) + u16(0) + u16(0) + u16(0) + u32(0) +
                 u32(std::uint32_t(std::int64_t(all.size()) + p.moved)) + p.name + p.extra;
    all += u32(0x04034b50) + u16(20) + u16(p.flags) + u16(p.method) + u32(0) + u32(0) + size + size +
           u16(local.size()) + u16(0) + local + p.bytes;
  }
  const auto offset = all.size();
  return all + directory + u32(0x06054b50) + u16(0) + u16(0) + u16(parts.size()) + u16(parts.size()) +
         u32(std::uint32_t(directory.size())) + u32(std::uint32_t(offset)) + u16(comment.size()) + std::string(comment);
}

/// What torch.save makes of a pickle and storages "0", "1", ...
inline std::string torch_zip(const std::string& pickle, const std::vector<std::string>& storages) {
  std::vector<ZipPart> parts{{.name = "m/data.pkl", .bytes = pickle}, {.name = "m/byteorder", .bytes = "little"}};
  for (std::size_t i = 0; i < storages.size(); ++i)
    parts.push_back({.name = "m/data/" + std::to_string(i), .bytes = storages[i]});
  return zip(parts);
}

}  // namespace modelgrow::testing
