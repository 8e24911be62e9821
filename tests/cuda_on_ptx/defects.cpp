// SPDX-License-Identifier: MIT
// Defects on purpose, and which of the two machines sees each: what neither sees is not tested without a GPU.
#include "tests/cuda_on_host/support/emulated.hpp"
#include "tests/cuda_on_host/support/interpreted.hpp"
#include "tests/cuda_on_host/support/planted.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using testing::Planted;

namespace {

/// Whether the emulator gets a wrong result, or reports misuse, in some order of threads and copies.
enum class Emulator { sees, does_not, would_crash };

struct Row {
  Planted defect;
  const char* name;
  Emulator emulator;
  const char* interpreter_says;
};
constexpr Row rows[] = {
    {Planted::nothing, "nothing", Emulator::does_not, ""},
    {Planted::barrier_left_out, "barrier left out", Emulator::sees, "race: reads what"},
    {Planted::warp_barrier_left_out, "warp barrier left out", Emulator::sees, "reads shared memory that nobody wrote"},
    {Planted::wait_one_short, "wait for copies one short", Emulator::sees, "is under way"},
    {Planted::stage_released_early, "stage released early", Emulator::sees, "race: writes what"},
    {Planted::tail_mask_missing, "tail mask missing", Emulator::sees, "outside of every allocation"},
    {Planted::row_and_column_swapped, "row and column of a fragment swapped", Emulator::sees, "wrong in row"},
    {Planted::tile_count_off_by_one, "tile count off by one", Emulator::sees, "wrong in row"},
    {Planted::stride_of_other_tensor, "stride of the wrong tensor", Emulator::sees, "wrong in row"},
    {Planted::index_of_32_bits, "index of 32 bits", Emulator::would_crash, "outside of every allocation"},
    {Planted::one_past_the_end, "one written past the end", Emulator::does_not, "outside of every allocation"},
    {Planted::two_blocks_on_one_output, "two blocks on one output", Emulator::does_not, "race: writes what"},
};

/// What the emulator makes of it in all of its ways, or where the result is wrong.
std::string emulated(std::string (*run)()) {
  std::string seen;
  for (const emulator::Order order : emulator::orders)
    for (const emulator::Copies copies : emulator::copy_times) {
      Emulated::machine().configure({.order = order, .copies = copies});
      try {
        seen += run();
      } catch (const emulator::Misuse& e) {
        seen += e.what();
      }
    }
  Emulated::machine().configure({});
  return seen;
}
/// What the interpreter says in one way, or where the result is wrong.
std::string interpreted(std::string (*run)()) {
  try {
    return run();
  } catch (const ptx::Fault& e) {
    return e.what();
  }
}

}  // namespace

TEST_CASE("planted defects are seen") {
  const auto on_emulator = testing::planted_runs<kernels::HostExecutor>();
  const auto on_interpreter = testing::planted_runs<kernels::PtxExecutor>();
  REQUIRE(std::size(rows) == on_emulator.size());
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const auto number = std::size_t(row.defect);
    const std::string said = interpreted(on_interpreter[number]);
    CAPTURE(said);
    CHECK((row.defect == Planted::nothing ? said.empty() : testing::says(said, row.interpreter_says)));
    if (row.emulator == Emulator::would_crash) continue;
    const std::string seen = emulated(on_emulator[number]);
    CAPTURE(seen);
    CHECK(seen.empty() == (row.emulator == Emulator::does_not));
  }
}
