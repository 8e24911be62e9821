// SPDX-License-Identifier: MIT
// safetensors: tensors lie in the file one behind the other, and the header that the writer makes for them reads back
// the same. tests/checkpoint/safetensors_verdicts.cpp compares with the reference reader.
#include <modelgrow/checkpoint/safetensors_inl.hpp>
#include <modelgrow/checkpoint/writer.hpp>
#include <modelgrow/checkpoint/writer_inl.hpp>
#include <tests/fuzz/support/target.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {
bool same(const TensorView& a, const TensorView& b) {
  return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape && a.bytes == b.bytes;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return read_or_refuse(data, size, [](std::string_view text) {
    const auto file = std::as_bytes(std::span(text));
    const detail::SafetensorsParser parsed(file, "fuzz");
    std::vector<NamedShape> declared;
    std::uint64_t at = 0, header = 0;
    std::memcpy(&header, file.data(), 8);
    for (const auto& t : parsed.tensors) {
      must(t.data == file.data() + 8 + header + at, "tensors follow each other");
      at += t.bytes;
      declared.push_back(NamedShape{.name = t.name, .dtype = t.dtype, .shape = t.shape});
    }
    must(at == file.size() - 8 - header, "tensors fill the file");
    const std::string again =
        detail::safetensors_header(declared, parsed.metadata, "fuzz") + std::string(text.substr(8 + header));
    const detail::SafetensorsParser copy(std::as_bytes(std::span(again)), "written");
    must(copy.metadata == parsed.metadata, "metadata comes back");
    must(std::equal(copy.tensors.begin(), copy.tensors.end(), parsed.tensors.begin(), parsed.tensors.end(), same),
         "tensors come back");
  });
}
