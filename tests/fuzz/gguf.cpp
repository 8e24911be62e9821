// SPDX-License-Identifier: MIT
// libFuzzer target: any bytes are refused with format_error or read as values and tensors that lie inside the file and
// can be read to the last byte. Built and run by scripts/fuzz.
#include <modelgrow/checkpoint/gguf.hpp>

using namespace modelgrow;

namespace {

/// Every getter reads the value or refuses it.
void read_value(const GgufMetadata& m, std::string_view key) {
  const auto read = [&](auto getter) {
    try {
      getter();
    } catch (const format_error&) {
    }
  };
  read([&] { m.integer(key); });
  read([&] { m.real(key); });
  read([&] { m.flag(key, true); });
  read([&] { m.integers(key); });
  read([&] {
    for (auto text : m.texts(key))
      if (detail::is_utf8(text) && text.size() > std::size_t(INT64_MAX)) __builtin_trap();
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  try {
    const detail::GgufParser file(bytes, "fuzz");
    for (const auto& [key, value] : file.metadata) read_value(file.metadata, key);
    for (const auto& t : file.tensors) {
      if (t.data.data() < bytes.data() || t.data.data() + t.data.size() > bytes.data() + size) __builtin_trap();
      const QuantisedMatrix m = t.matrix();
      if (std::int64_t(t.data.size()) != m.rows * m.row_bytes()) __builtin_trap();
      std::vector<float> row(m.rows ? std::size_t(m.columns) : 0);
      for (std::int64_t i = 0; i < m.rows; ++i) m.decode_row(i, row.data());
    }
  } catch (const format_error&) {
  }
  return 0;
}
