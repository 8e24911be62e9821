// SPDX-License-Identifier: MIT
// Pickles: what is read can be written, reads back, and is written with the same bytes again.
#include <modelgrow/checkpoint/pickle_writer.hpp>
#include <tests/fuzz/support/target.hpp>

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {
Pickle read(std::string_view text) { return read_pickle(std::as_bytes(std::span(text)), "fuzz"); }
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return read_or_refuse(data, size, [](std::string_view text) {
    const Pickle pickle = read(text);
    must(pickle.bytes <= text.size(), "a pickle ends inside of the file");
    WrittenPickle written, again;
    must(!refuses([&] {
      written = write_pickle(pickle.value);
      again = write_pickle(read(written.bytes).value);
    }),
         "what is read can be written, and reads back");
    must(again.bytes == written.bytes, "what is written comes back");
  });
}
