// SPDX-License-Identifier: MIT
// Each barrier that nvcc left in a kernel is taken out of its PTX once, and the interpreter must report a race.
#include "tests/cuda_on_host/support/calls_with_barriers.hpp"
#include "tests/cuda_on_host/support/interpreted.hpp"
#include "tests/support/message.hpp"
#include "tests/support/parity.hpp"

using namespace modelgrow;

namespace {

/// Takes out the barriers of this kind, which the kernel whose name contains `kernel` has so many of.
template <class T, class Call>
void check_barriers(const std::string& kernel, const std::string& barrier, int count, Call call) {
  const auto report = [&] {
    testing::Side<T, Interpreted, T> side;
    return testing::message_of<ptx::Fault>([&] { call(side); });
  };
  Interpreted::machine().configure({.most_blocks = 1});  // so that blocks have to go through their loops
  CAPTURE(kernel, barrier);
  CHECK(report() == "");
  for (int number = 0; number < count; ++number) {
    CAPTURE(number);
    Interpreted::omission() = {.kernel = kernel, .instruction = barrier, .number = number};
    CHECK(report() != "");
  }
  Interpreted::omission() = {.kernel = kernel, .instruction = barrier, .number = count};
  CHECK(testing::says(report(), "has no further " + barrier));
  Interpreted::omission().reset();
  Interpreted::machine().configure({});
}

}  // namespace

TEMPLATE_TEST_CASE("every barrier in PTX is needed and seen", "", float, bf16) {
  check_barriers<TestType>("PartialColumnSums", "bar.sync", 2, testing::ColumnSumCall{});
  check_barriers<TestType>("AddColumnSums", "bar.sync", 2, testing::ColumnSumCall{});
  check_barriers<TestType>("NormDxSums", "bar.sync", 2 * 5, testing::NormDxCall{});
  check_barriers<TestType>("SumsOfSquares", "bar.sync", 2, testing::SumOfSquaresCall{});
  check_barriers<TestType>("PartialSums", "bar.sync", 2, testing::MseCall{});
  check_barriers<TestType>("EmbeddingDx", "bar.sync", 3, testing::EmbeddingDxCall{});
  check_barriers<TestType>("run<modelgrow::v0::kernels::Attention<", "bar.sync", 2, testing::AttentionCall{});
  check_barriers<TestType>("run<modelgrow::v0::kernels::Attention<", "bar.warp.sync", 1, testing::AttentionCall{});
  check_barriers<TestType>("JoinAttention", "bar.warp.sync", 1, testing::JoinAttentionCall{});
  check_barriers<TestType>("SlidingConvDx", "bar.sync", 2, testing::DepthwiseConvDxCall{});
  for (const char* kernel : {"AttentionDq", "AttentionDkv"}) {
    check_barriers<TestType>(kernel, "bar.sync", 2, testing::AttentionDxCall{});
    check_barriers<TestType>(kernel, "bar.warp.sync", 1, testing::AttentionDxCall{});
  }
}

TEST_CASE("every barrier of attention on matrix units is needed and seen in PTX") {
  check_barriers<bf16>("AttentionMma<", "bar.sync", 3, testing::MatrixAttentionCall{});
  check_barriers<bf16>("AttentionMma<", "bar.warp.sync", 1, testing::MatrixAttentionCall{});
  for (const char* kernel : {"AttentionMmaDq", "AttentionMmaDkv"})
    check_barriers<bf16>(kernel, "bar.sync", 3, testing::MatrixAttentionDxCall{});
  check_barriers<bf16>("AttentionMmaDq", "bar.warp.sync", 2, testing::MatrixAttentionDxCall{});
  check_barriers<bf16>("AttentionMmaDkv", "bar.warp.sync", 2, testing::MatrixAttentionDxCall{});
}

TEST_CASE("every barrier of dense convolution on matrix units is needed and seen in PTX") {
  check_barriers<bf16>("DenseConvMma", "bar.sync", 2, testing::DenseConvCall{});
  check_barriers<bf16>("DenseConvMma", "bar.warp.sync", 3, testing::DenseConvCall{});
}
