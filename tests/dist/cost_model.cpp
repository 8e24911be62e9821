// SPDX-License-Identifier: MIT
// The cost model counts what ranks have sent and what they hold, to the byte and the message.
#include <modelgrow/backend/cpu.hpp>
#include <modelgrow/train/distributed.hpp>

#include "benchmarks/scale/cost_model.hpp"
#include "tests/dist/support/ranks.hpp"
#include "tests/support/catch.hpp"
#include "tests/train/tiny_model.hpp"

namespace mg = modelgrow;
using mg::testing::ranks;
using Model = tiny::Pair<float, mg::Cpu>;
using Options = mg::DistributedOptions;

namespace {

std::vector<mg::MatrixSize> sizes_of(Model& model) {
  std::vector<mg::MatrixSize> sizes;
  mg::for_each_parameter(model, [&](const std::string&, const auto& p) {
    if (p.trained()) sizes.push_back(mg::matrix_size(p.value.shape()));
  });
  return sizes;
}
/// What this rank sends in the third step, and bytes of its moments and averages behind it.
struct Seen {
  mg::Traffic sent;
  std::int64_t state = 0;
};
Seen third_step(const scale::Training& t) {
  Model model;
  mg::Trainer<Model, float, mg::Cpu> trainer(
      model, {.steps = 3, .micro_batches = t.micro_batches, .schedule = {.peak = 0.01}, .ema = mg::EmaOptions{}});
  mg::distribute(trainer, ranks(),
                 {.state = t.sharded ? Options::State::sharded : Options::State::whole,
                  .sums = t.ordered ? mg::Sums::ordered : mg::Sums::fast,
                  .bucket_bytes = t.bucket_bytes});
  Seen seen;
  trainer.at(2, [&](const auto&) { seen.sent = ranks().traffic(); });
  trainer.at(3, [&](const auto&) {
    const mg::Traffic& after = ranks().traffic();
    seen.sent = {after.calls - seen.sent.calls, after.messages - seen.sent.messages, after.bytes - seen.sent.bytes};
  });
  trainer.run([&](auto& tape, std::int64_t i) { return tiny::loss(model, tape, i); });
  for (const auto& [path, s] : trainer.optimizer().states()) seen.state += std::int64_t(s.m.bytes() + s.v.bytes());
  for (const auto& [path, a] : trainer.ema()->averages())
    if (!path.ends_with("table")) seen.state += std::int64_t(a.bytes());
  return seen;
}

}  // namespace

TEST_CASE("the cost model counts what ranks send in a step and hold behind it") {
  const int n = ranks().size(), r = ranks().rank();
  Model model;
  for (const bool sharded : {false, true})
    for (const bool ordered : {false, true})
      for (const std::int64_t micro_batches : {1, n, 2 * n + 1})
        for (const std::int64_t bucket_bytes : {128, 16'000'000}) {
          const scale::Training t{.ranks = n,
                                  .micro_batches = micro_batches,
                                  .sharded = sharded,
                                  .ordered = ordered,
                                  .bucket_bytes = bucket_bytes,
                                  .weight_bytes = 4};
          const auto buckets = scale::buckets_of(sizes_of(model), t);
          const Seen seen = third_step(t);
          const mg::Traffic counted = scale::step_traffic(buckets, t, r, int(2 * micro_batches % n)).all();
          CAPTURE(sharded, ordered, micro_batches, bucket_bytes);
          CHECK(counted.bytes == seen.sent.bytes);
          CHECK(counted.messages == seen.sent.messages);
          CHECK(counted.calls == seen.sent.calls);
          CHECK(scale::memory(buckets, t, r).state == seen.state);
        }
}

TEST_CASE("a step of the cost model takes as long as it computes, and what links do not hide") {
  const std::vector<mg::MatrixSize> tensors(16, {64, 64});
  const scale::Training t{.ranks = 2, .micro_batches = 2, .bucket_bytes = 16384};
  const auto buckets = scale::buckets_of(tensors, t);
  REQUIRE(buckets.size() == 16);
  const scale::Work work{.forward = 16, .backward = 32};
  const double bytes = 16 * 8192;  // a rank sends half of every bucket
  // A link that takes half of the time of a backward pass hides all but the last bucket, and the gather.
  const auto hidden =
      scale::step_time(buckets, t, 0, work, {.flops = 1, .bytes_a_second = bytes / 16, .seconds_a_message = 0});
  CHECK_THAT(hidden.computing, WithinRel(48.0, 1e-12));
  CHECK_THAT(hidden.exposed, WithinRel(1.0 + 16.0, 1e-3));
  CHECK_THAT(hidden.sending, WithinRel(32.0, 1e-3));
  // One that takes twice as long hides what goes in 30 of 32 seconds, behind the first bucket.
  const auto slow =
      scale::step_time(buckets, t, 0, work, {.flops = 1, .bytes_a_second = bytes / 64, .seconds_a_message = 0});
  CHECK_THAT(slow.exposed, WithinRel(64.0 - 30.0 + 64.0, 1e-3));
  // Ordered sums of two passes: the second waits for the buckets of the first; the norm has a number for each unit.
  const scale::Training twice{.ranks = 2, .micro_batches = 4, .ordered = true, .bucket_bytes = 16384};
  const auto ordered =
      scale::step_time(buckets, twice, 0, work, {.flops = 1, .bytes_a_second = bytes / 64, .seconds_a_message = 0});
  CHECK_THAT(ordered.computing, WithinRel(96.0, 1e-12));
  CHECK_THAT(ordered.exposed, WithinRel(34.0 + 34.0 + 64.0 + 4.0, 1e-3));
}
