// SPDX-License-Identifier: MIT
// The interpreter does what it is trusted for: it computes as PTX says, and reports what a GPU punishes or leaves to
// chance.
#include <bit>
#include <cstring>
#include <limits>

#include "tests/cuda_on_host/support/ptx/machine.hpp"
#include "tests/cuda_on_host/support/ptx/parser.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;

namespace {

/// A kernel with this body, one array as its parameter (%rd1), the thread in %r1, four times that in %r2 and %rd2.
std::string kernel(const std::string& body) {
  return R"(
.extern .shared .align 16 .b8 memory[];
.visible .entry k(
	.param .u64 k_param_0
)
{
	.reg .b32 %r<20>;
	ld.param.u64 %rd1, [k_param_0];
	mov.u32 %r1, %tid.x;
	shl.b32 %r2, %r1, 2;
	cvt.u64.u32 %rd2, %r2;
)" + body +
         "\nret;\n}\n";
}

/// Device memory to run on, and what is in it.
struct Array {
  explicit Array(ptx::Memory& memory, std::size_t count) : memory_(memory) {
    at = static_cast<std::uint32_t*>(memory.allocate(4 * count));
    std::memset(at, 0, 4 * count);
  }
  ~Array() { memory_.release(at); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  std::uint32_t* at;

 private:
  ptx::Memory& memory_;
};

struct Options {
  int threads = 64;
  std::int64_t blocks = 1;
  emulator::Order order = emulator::Order::forward;
  emulator::Copies copies = emulator::Copies::late;
};

/// The array after a run of the body.
std::vector<std::uint32_t> run(const std::string& body, Options options = {}) {
  constexpr std::size_t count = 64;
  ptx::Memory memory;
  const Array array(memory, count);
  const ptx::Module module(kernel(body), memory);
  ptx::Machine machine(memory);
  machine.configure({.order = options.order, .copies = options.copies, .most_instructions = 1'000'000});
  machine.launch({.entry = &module.kernel("k"),
                  .parameters = std::as_bytes(std::span(&array.at, 1)),
                  .threads = options.threads,
                  .shared_bytes = 256,
                  .blocks = options.blocks});
  return {array.at, array.at + count};
}

std::string report(const std::string& body, Options options = {}) {
  return testing::message_of<ptx::Fault>([&] { run(body, options); });
}

/// What the instruction makes of its operands (%a in %r11, ..) in %r10.
std::uint32_t value(const std::string& instruction) {
  return run(instruction + "\nst.global.u32 [%rd1], %r10;", {.threads = 32})[0];
}
float number(const std::string& instruction) { return std::bit_cast<float>(value(instruction)); }

}  // namespace

TEST_CASE("instructions compute as PTX says") {
  CHECK(value("shl.b32 %r10, 1, 33;") == 0);
  CHECK(value("shr.s32 %r10, -8, 40;") == ~0u);
  CHECK(value("shr.u32 %r10, -8, 31;") == 1);
  CHECK(value("div.s32 %r10, -7, 2;") == std::uint32_t(-3));
  CHECK(value("rem.s32 %r10, -7, 2;") == std::uint32_t(-1));
  CHECK(value("div.s32 %r10, -2147483648, -1;") == 0x80000000);
  CHECK(value("mul.hi.s32 %r10, -65536, 65536;") == ~0u);
  CHECK(value("min.u32 %r10, -1, 5;") == 5);
  CHECK(value("bfi.b32 %r10, 5, 0, 4, 8;") == 0x50);
  CHECK(value("prmt.b32 %r10, 0x33221100, 0x77665544, 0x5410;") == 0x55441100);
  CHECK(value("prmt.b32 %r10, 0x80, 0, 0x8888;") == ~0u);
  CHECK(value("cvt.rn.bf16x2.f32 %r10, 0f3F800000, 0fC0000000;") == 0x3f80c000);
  CHECK(value("setp.ltu.f32 %p1, 0f7FC00000, 0f3F800000;\nselp.b32 %r10, 1, 2, %p1;") == 1);
  CHECK(value("setp.ne.f32 %p1, 0f7FC00000, 0f3F800000;\nselp.b32 %r10, 1, 2, %p1;") == 2);
  CHECK(value("cvt.rni.s32.f32 %r10, 0f40200000;") == 2);           // 2.5 to even
  CHECK(value("cvt.rzi.s32.f32 %r10, 0fFF800000;") == 0x80000000);  // minus infinity to the least
}

TEST_CASE("signed values fill the register that they are loaded into") {
  const auto stored = run(R"(
	setp.ne.u32 %p1, %r1, 0;
	@%p1 ret;
	st.global.u32 [%rd1], -5;
	ld.global.s32 %rd3, [%rd1];
	st.global.u64 [%rd1+8], %rd3;
	ld.global.s16 %r3, [%rd1];
	st.global.u32 [%rd1+16], %r3;)");
  CHECK((stored[2] == std::uint32_t(-5) && stored[3] == ~0u && stored[4] == std::uint32_t(-5)));
}

TEST_CASE("a sum is rounded down where that is asked for") {
  const float one = 1.0f, below = std::nextafter(one, 0.0f);
  CHECK(number("fma.rm.f32 %r10, 0f3F800000, 0f3F800000, 0fA0000000;") == below);  // 1 - 1e-19
  CHECK(number("fma.rm.f32 %r10, 0f3F800000, 0f3F800000, 0f20000000;") == one);    // 1 + 1e-19
  CHECK(number("fma.rm.f32 %r10, 0fBF800000, 0f3F800000, 0fA0000000;") == -std::nextafter(one, 2.0f));
}

TEST_CASE("every thread of every block that is started runs, and jumps") {
  const std::string body = R"(
	mov.u32 %r5, %ctaid.x;
	mov.u32 %r6, 0;
$again:
	add.s32 %r6, %r6, 2;
	setp.lt.s32 %p1, %r6, 10;
	@%p1 bra $again;
	shl.b32 %r7, %r5, 7;
	add.s32 %r8, %r7, %r2;
	cvt.u64.u32 %rd3, %r8;
	add.s64 %rd4, %rd1, %rd3;
	@!%p1 st.global.u32 [%rd4], %r6;)";
  CHECK(run(body, {.threads = 32, .blocks = 2}) == std::vector<std::uint32_t>(64, 10));
}

TEST_CASE("instructions that are not known are refused by name") {
  const auto refused = [](const std::string& instruction, const std::string& name) {
    CAPTURE(instruction);
    CHECK(testing::says(report(instruction), name));
  };
  refused("atom.global.add.u32 %r3, [%rd1], 1;", "instruction atom.global.add.u32 is not known");
  refused("add.sat.s32 %r3, %r1, 1;", "instruction add.sat.s32 is not known");
  refused("ld.volatile.global.u32 %r3, [%rd1];", "instruction ld.volatile.global.u32 is not known");
  refused("mov.u32 %r3, elsewhere;", "operand elsewhere is not known");
  refused("bar.sync 1;", "only barrier 0");
  refused("add.s32 %r3, %r1;", "has 2 operands, not 3");
}

TEST_CASE("accesses outside of memory are reported, with block, thread and line") {
  const std::string beyond = report("add.s64 %rd3, %rd1, %rd2;\nld.global.u32 %r3, [%rd3+4];");
  CHECK(beyond == "k, block 0, thread 63: outside of every allocation; PTX line 13: ld.global.u32 %r3, [%rd3+4];");
  CHECK(testing::says(report("st.shared.v4.f32 [memory+256], {%r1, %r1, %r1, %r1};"),
                      "byte 256 is outside of the 256 of shared memory"));
  CHECK(testing::says(report("st.global.v2.u32 [%rd1+4], {%r1, %r1};"), "misaligned access of 8 bytes"));
  CHECK(testing::says(report("ld.param.u64 %rd3, [k_param_0+4];"), "misaligned"));
  CHECK(testing::says(report("div.s32 %r3, %r1, 0;"), "division by zero; PTX line"));
}

TEST_CASE("shared memory that nobody wrote is not read") {
  CHECK(testing::says(report("ld.shared.u32 %r3, [%r2];"), "reads shared memory that nobody wrote"));
  CHECK(testing::says(report("st.shared.u16 [%r2], %r1;\nld.shared.u32 %r3, [%r2];"), "nobody wrote"));
  CHECK(report("st.shared.u32 [%r2], %r1;\nld.shared.u32 %r3, [%r2];") == "");
}

namespace {

/// Each thread of two warps writes one word and reads that of the `stride`th thread before it, around.
std::string exchange(const std::string& between, int stride) {
  return "st.shared.u32 [%r2], %r1;\n" + between + "\nsub.s32 %r3, %r2, " + std::to_string(4 * stride) +
         ";\nand.b32 %r4, %r3, 255;\nld.shared.u32 %r5, [%r4];";
}

}  // namespace

TEST_CASE("races within a block are seen in any order of threads") {
  for (const emulator::Order order : emulator::orders) {
    const Options options{.order = order};
    CHECK(report(exchange("", 1), options) != "");  // a race, or not written yet
    CHECK(report(exchange("bar.sync 0;", 1), options) == "");
    CHECK(report(exchange("bar.warp.sync -1;", 32), options) != "");
    CHECK(report(exchange("bar.sync 0;", 32), options) == "");
    CHECK(testing::says(report(exchange("bar.sync 0;", 1) + "\nst.shared.u32 [%r2], %r5;", options), "race: "));
    CHECK(report(exchange("bar.sync 0;", 1) + "\nbar.sync 0;\nst.shared.u32 [%r2], %r5;", options) == "");
    CHECK(report("st.shared.u32 [memory], 1;", options) == "");  // all the same value
    CHECK(testing::says(report("st.shared.u32 [memory], %r1;", options), "race: writes what"));
  }
}

TEST_CASE("a barrier of a warp orders its lanes") {
  const std::string own_warp = R"(
	st.shared.u32 [%r2], %r1;
	bar.warp.sync -1;
	xor.b32 %r3, %r2, 4;
	ld.shared.u32 %r4, [%r3];)";
  CHECK(report(own_warp) == "");
  CHECK(testing::says(report(own_warp + "\nst.shared.u32 [%r2], %r4;"), "race: "));
  CHECK(report(own_warp + "\nbar.warp.sync -1;\nst.shared.u32 [%r2], %r4;") == "");
}

TEST_CASE("blocks of one launch are not ordered") {
  const std::string body = "add.s64 %rd3, %rd1, %rd2;\nst.global.u32 [%rd3], %r1;";
  CHECK(report(body) == "");
  CHECK(
      report(body, {.blocks = 2}) ==
      "k, block 1, thread 0: race: writes what thread 0 of block 0 reads or writes; PTX line 13: st.global.u32 [%rd3], "
      "%r1;");
}

TEST_CASE("lanes exchange only where all of them are") {
  const std::string shuffle = "shfl.sync.bfly.b32 %r3|%p2, %r1, 1, 31, -1;\n";
  CHECK(run(shuffle + "add.s64 %rd3, %rd1, %rd2;\nst.global.u32 [%rd3], %r3;", {.threads = 32})[6] == 7);
  CHECK(testing::says(
      report("setp.lt.u32 %p1, %r1, 5;\n@%p1 bra $other;\n" + shuffle + "bra $end;\n$other:\n" + shuffle + "$end:"),
      "meets lanes of its warp that are in line"));
  CHECK(testing::says(report("setp.lt.u32 %p1, %r1, 5;\n@%p1 ret;\n" + shuffle), "waits for threads that never come"));
  CHECK(testing::says(report("shfl.sync.bfly.b32 %r3|%p2, %r1, 1, 31, 15;"), "a part of its warp"));
}

TEST_CASE("a barrier that threads never reach is reported") {
  CHECK(testing::says(report("setp.lt.u32 %p1, %r1, 5;\n@%p1 ret;\nbar.sync 0;"),
                      "thread 5: waits for threads that never come"));
}

TEST_CASE("a loop without end is reported") {
  CHECK(testing::says(report("$again:\nbra.uni $again;"), "thread 0: is in a loop without end"));
}

TEST_CASE("a copy is there when its thread has waited, and for other threads after a barrier more") {
  const std::string copy =
      "shl.b32 %r9, %r1, 4;\ncvt.u64.u32 %rd5, %r9;\nadd.s64 %rd6, %rd1, %rd5;\n"
      "cp.async.cg.shared.global [%r9], [%rd6], 16, 16;\ncp.async.commit_group;\n";
  const std::string wait = "cp.async.wait_group 0;\n",
                    other = "max.s32 %r7, %r9, 64;\nsub.s32 %r8, %r7, 64;\nld.shared.u32 %r3, [%r8];\n";
  const std::string own = "ld.shared.u32 %r3, [%r9];\n";
  const std::string some = "setp.gt.u32 %p1, %r1, 15;\n@%p1 ret;\n";
  for (const emulator::Copies copies : emulator::copy_times) {
    const Options options{.threads = 32, .copies = copies};
    CHECK(report(some + copy + wait + own, options) == "");
    CHECK(testing::says(report(some + copy + own + wait, options), "is under way"));
    CHECK(testing::says(report(some + copy + copy + "cp.async.wait_group 1;\n" + own + wait, options), "is under way"));
    CHECK(testing::says(report(some + copy + wait + other, options), "race: reads what"));
    CHECK(testing::says(report(some + copy, options), "leaves copies behind"));
  }
}
