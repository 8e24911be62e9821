// SPDX-License-Identifier: MIT
// Zip archives: records lie inside of the file, one beside the other, and are found by their names.
#include <algorithm>

#include <modelgrow/checkpoint/zip_directory.hpp>
#include <tests/fuzz/support/target.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return read_or_refuse(data, size, [](std::string_view text) {
    const detail::ZipDirectory zip(std::as_bytes(std::span(text)), "fuzz");
    auto records = zip.records();
    std::ranges::sort(records, {}, [](const detail::ZipRecord& r) { return std::pair(r.begin, r.size); });
    std::uint64_t end = 0;
    for (const auto& r : records) {
      must(r.begin <= text.size() && r.size <= text.size() - r.begin, "records lie inside of the file");
      must(r.size == 0 || r.begin >= end, "records do not overlap");
      if (r.size > 0) end = r.begin + r.size;
      const auto* found = zip.find(r.name);
      must(found && found->begin == r.begin, "records are found");
    }
  });
}
