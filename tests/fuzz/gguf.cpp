// SPDX-License-Identifier: MIT
// GGUF: every getter reads its value or refuses it; tensors lie inside the file and decode to the last byte.
#include <modelgrow/checkpoint/gguf_inl.hpp>
#include <tests/fuzz/support/target.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {
void read_value(const GgufMetadata& m, std::string_view key) {
  refuses([&] { m.integer(key); });
  refuses([&] { m.real(key); });
  refuses([&] { m.flag(key, true); });
  refuses([&] { m.integers(key); });
  refuses([&] { detail::is_utf8(m.text(key)); });
  refuses([&] {
    for (auto text : m.texts(key)) detail::is_utf8(text);
  });
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return read_or_refuse(data, size, [](std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    const detail::GgufParser file(bytes, "fuzz");
    for (const auto& [key, value] : file.metadata) read_value(file.metadata, key);
    for (const auto& t : file.tensors) {
      const auto first = t.data.data() - bytes.data();
      must(first >= 0 && std::size_t(first) + t.data.size() <= bytes.size(), "tensors lie inside the file");
      const QuantisedMatrix m = t.matrix();
      must(std::int64_t(t.data.size()) == m.rows * m.row_bytes(), "tensors have the bytes of their rows");
      std::vector<float> row(m.rows ? std::size_t(m.columns) : 0);
      for (std::int64_t i = 0; i < m.rows; ++i) m.decode_row(i, row.data());
    }
  });
}
