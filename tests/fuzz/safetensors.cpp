// SPDX-License-Identifier: MIT
// libFuzzer target: any bytes are refused with format_error or read as tensors that lie inside the file and survive
// a trip through the writer. Built and run by scripts/fuzz.
#include <fstream>

#include <unistd.h>

#include <modelgrow/checkpoint/writer.hpp>

using namespace modelgrow;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  std::vector<TensorView> tensors;
  Metadata metadata;
  try {
    detail::SafetensorsParser parser(bytes, "fuzz");
    tensors = std::move(parser.tensors);
    metadata = std::move(parser.metadata);
  } catch (const format_error&) {
    return 0;
  }
  std::vector<NamedShape> declared;
  for (const auto& t : tensors) {
    if (t.data < bytes.data() || t.data + t.bytes > bytes.data() + bytes.size()) __builtin_trap();
    declared.push_back(NamedShape{.name = t.name, .dtype = t.dtype, .shape = t.shape});
  }
  const auto path = std::filesystem::temp_directory_path() / ("modelgrow-fuzz-" + std::to_string(::getpid()));
  SafetensorsWriter writer(path, declared, metadata);
  for (const auto& t : tensors) writer.write(t.name, t.span());
  writer.commit();
  const auto again = Safetensors::open(path);
  std::filesystem::remove(path);
  if (again.metadata() != metadata || again.tensors().size() != tensors.size()) __builtin_trap();
  for (const auto& t : tensors) {
    const auto* copy = again.find(t.name);
    if (!copy || copy->dtype != t.dtype || copy->shape != t.shape || copy->bytes != t.bytes) __builtin_trap();
    if (t.bytes > 0 && std::memcmp(copy->data, t.data, t.bytes) != 0) __builtin_trap();
  }
  return 0;
}
