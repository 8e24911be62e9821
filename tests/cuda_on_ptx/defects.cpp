// SPDX-License-Identifier: MIT
// Defects on purpose, and which of the two machines sees each: what neither sees is not tested without a GPU.
#include "tests/cuda_on_host/support/emulated.hpp"
#include "tests/cuda_on_host/support/interpreted.hpp"
#include "tests/cuda_on_host/support/planted.hpp"
#include "tests/cuda_on_host/support/planted_calls.hpp"
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

// What is wrong of a kernel of the backend.
using namespace modelgrow::kernels;
struct Nothing {};
struct ValuesTailUnmasked {
  void operator()(ForEachValue<Add<bf16>>& k) const { k.wide = k.n + 7; }
};
struct ValuesWideAtOddAddress {
  void operator()(ForEachValue<Add<bf16>>& k) const { k.wide = k.n / at_once * at_once; }
};
struct SlidingTapsShifted {
  void operator()(ForEach<SlidingConv<bf16, 3>>& k) const { ++k.element.size.first_tap; }
};
struct SlidingFrameTooMany {
  void operator()(ForEach<SlidingConv<bf16, 3>>& k) const { ++k.element.size.frames; }
};
struct SlidingDxStrideOfPosition {
  void operator()(SlidingConvDx<bf16, 3>& k) const { k.size.frame = k.size.channels; }
};
struct SlidingDxPositionMissed {
  void operator()(SlidingConvDx<bf16, 3>& k) const { --k.parts.positions; }
};
struct SlidingDxPartMissed {
  void operator()(ForEach<AddConvParts<float>>& k) const { --k.element.parts; }
};
struct DenseTapMissed {
  void operator()(DenseConvMma<ConvDirection::forward>& k) const { --k.taps; }
};
struct DenseTailUnmasked {
  void operator()(DenseConvMma<ConvDirection::forward>& k) const { ++k.tokens; }
};
struct DenseStrideOfOtherMatrix {
  void operator()(DenseConvMma<ConvDirection::forward>& k) const { k.space = k.frames; }
};
struct TableChunkOfOtherTensor {
  void operator()(kernels::AdamW<float>& k) const { ++k.table.ends[0]; }
};
struct TableTailUnmasked {
  void operator()(kernels::AdamW<float>& k) const { k.table.tensors[2].size += 7; }
};
struct TensorTwiceInTable {
  void operator()(CollectAll<float>& k) const { k.table.tensors[1] = k.table.tensors[2]; }
};
struct CollectedWideTail {
  void operator()(CollectAll<float>& k) const { k.table.tensors[1].wide = 16; }
};
struct GateOfFirstEntry {
  void operator()(PartialColumnSums<float, GateResidualDx<bf16>, 8>& k) const { k.term.to.stride = 0; }
};
struct SumRowTooMany {
  void operator()(PartialColumnSums<float, GateResidualDx<bf16>, 8>& k) const { ++k.size.rows; }
};
struct SumPartMissed {
  void operator()(AddColumnSums<float>& k) const { --k.table.tensors[0].parts; }
};
struct SumsOfOneGroup {
  void operator()(AddColumnSums<float>& k) const { k.table.tensors[0].to.group_stride = 0; }
};
struct NormDxRowMissed {
  void operator()(NormDxSums<bf16>& k) const { --k.size.rows; }
};
struct NormDxColumnsUnmasked {
  void operator()(NormDxSums<bf16>& k) const { k.size.columns += at_once; }
};
struct NormDxAddsToNothing {
  void operator()(NormDxSums<bf16>& k) const { k.how = Write::add; }
};
struct NormDxVectorOfFirstEntry {
  void operator()(NormDxSums<bf16>& k) const { k.affine.stride = 0; }
};
struct ModulationOfOneTable {
  void operator()(ForEach<Modulation<bf16>>& k) const { k.element.all_rows = k.element.row; }
};
struct ModulationTableMissed {
  void operator()(ForEach<ModulationDt<bf16>>& k) const { --k.element.copies; }
};
struct ModulationSumOfNextTable {
  void operator()(ForEach<ModulationDtables<bf16>>& k) const { ++k.element.first; }
};
struct DeltaOfOtherTensor {
  void operator()(AttentionMmaDq<72>& k) const { k.out = k.in.dout; }
};
struct DenominatorOfNextQuery {
  void operator()(AttentionMmaDq<72>& k) const { ++k.lse; }
};
struct SumNotKept {
  void operator()(ForEachRow<Norm<float, SummedRows<float>>>& k) const { k.row.rows.sum = k.row.y; }
};
struct SumWithoutGate {
  void operator()(ForEachRow<Norm<float, SummedRows<float>>>& k) const { k.row.rows.gate = nullptr; }
};
struct NormTailUnmasked {
  void operator()(ForEachRow<Norm<float, SummedRows<float>>>& k) const { ++k.n; }
};

struct ChangedRow {
  const char* name;
  Emulator emulator;
  const char* interpreter_says;
  std::string (*on_emulator)();
  std::string (*on_interpreter)();
};
template <class Call, class Change, class T = bf16>
ChangedRow row(const char* name, Emulator emulator, const char* interpreter_says) {
  return {name, emulator, interpreter_says, testing::run_changed<HostExecutor, T, Call, Change>,
          testing::run_changed<PtxExecutor, T, Call, Change>};
}
std::vector<ChangedRow> changed_rows() {
  using enum Emulator;
  using namespace testing;
  constexpr auto outside = "outside of every allocation", wrong = "element", race = "race: ";
  return {
      row<AddCall, ValuesTailUnmasked>("values behind a tail", would_crash, outside),
      row<OddAddCall, ValuesWideAtOddAddress>("16 bytes at an odd address", sees, "misaligned"),
      row<DepthwiseConvCall, SlidingTapsShifted>("taps one frame late", sees, wrong),
      row<DepthwiseConvCall, SlidingFrameTooMany>("a frame too many", would_crash, outside),
      row<DepthwiseConvDxCall, SlidingDxStrideOfPosition>("stride of positions between frames", sees, race),
      row<DepthwiseConvDxCall, SlidingDxPositionMissed>("a position left out", sees, wrong),
      row<DepthwiseConvDxCall, SlidingDxPartMissed>("a part of the sums left out", sees, wrong),
      row<DenseConvCall, DenseTapMissed>("a tap left out", sees, wrong),
      row<DenseConvCall, DenseTailUnmasked>("a token too many", would_crash, outside),
      row<DenseConvCall, DenseStrideOfOtherMatrix>("positions counted as frames", sees, wrong),
      row<AdamWCall, TableChunkOfOtherTensor, float>("a chunk given to the tensor before", sees, wrong),
      row<AdamWCall, TableTailUnmasked, float>("a tensor longer than it is", would_crash, outside),
      row<CollectAllCall, TensorTwiceInTable>("a tensor twice in a table", sees, race),
      row<CollectAllCall, CollectedWideTail>("a tail eight at a time", would_crash, outside),
      row<GateDxCall, GateOfFirstEntry>("the gate of another entry", sees, wrong),
      row<GateDxCall, SumRowTooMany>("a row too many", would_crash, race),
      row<ColumnSumCall, SumPartMissed>("a part of a column left out", sees, wrong),
      row<GateDxCall, SumsOfOneGroup>("sums of one entry for all", sees, race),
      row<NormDxCall, NormDxRowMissed>("a row of a norm left out", sees, wrong),
      row<NormDxCall, NormDxColumnsUnmasked>("columns behind the last", would_crash, outside),
      row<NormModulateDxCall, NormDxAddsToNothing>("added to memory that nobody wrote", sees, wrong),
      row<NormModulateDxCall, NormDxVectorOfFirstEntry>("the scale of another entry", sees, wrong),
      row<ModulationCall, ModulationOfOneTable>("tables of one block for all", sees, race),
      row<ModulationCall, ModulationTableMissed>("a table left out", sees, wrong),
      row<ModulationCall, ModulationSumOfNextTable>("the gradient of the next table", would_crash, outside),
      row<MatrixAttentionDxCall, DeltaOfOtherTensor>("delta of another tensor", sees, wrong),
      row<MatrixAttentionDxCall, DenominatorOfNextQuery>("the denominator of the next query", would_crash, outside),
      row<ResidualNormCall, SumNotKept, float>("a sum stored in another tensor", sees, wrong),
      row<ResidualNormCall, SumWithoutGate, float>("a gate left out", sees, wrong),
      row<ResidualNormCall, NormTailUnmasked, float>("a row behind the last", would_crash, outside),
  };
}

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

TEST_CASE("defects in the arguments of the kernels are seen") {
  for (const ChangedRow& row : changed_rows()) {
    CAPTURE(row.name);
    const std::string said = interpreted(row.on_interpreter);
    CAPTURE(said);
    CHECK(testing::says(said, row.interpreter_says));
    if (row.emulator == Emulator::would_crash) continue;
    const std::string seen = emulated(row.on_emulator);
    CAPTURE(seen);
    CHECK_FALSE(seen.empty());
  }
}

TEST_CASE("the calls in which defects are planted are right without them") {
  using namespace testing;
  const auto right = []<class T, class... Calls>() {
    CHECK((... + interpreted(run_changed<PtxExecutor, T, Calls, Nothing>)) == "");
    CHECK((... + emulated(run_changed<HostExecutor, T, Calls, Nothing>)) == "");
  };
  right.operator()<bf16, AddCall, OddAddCall, DepthwiseConvCall, DepthwiseConvDxCall, DenseConvCall, CollectAllCall,
                   GateDxCall, ColumnSumCall, NormDxCall, NormModulateDxCall, ModulationCall, MatrixAttentionDxCall>();
  right.operator()<float, AdamWCall, ResidualNormCall>();
}
