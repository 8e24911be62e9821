// SPDX-License-Identifier: MIT
// Rectified flow: the algebra of noisy input and target, the density of noise levels, and that every draw is numbered.
#include <modelgrow/diffusion/flow_matching.hpp>

#include "tests/support/catch.hpp"

namespace mg = modelgrow;

namespace {
mg::Tensor<float, mg::Cpu> some_clips(std::int64_t batch) {
  return mg::gaussian_noise<float>(mg::Shape{batch, 3, 2, 5, 7}, mg::Rng(99));
}
}  // namespace

TEST_CASE("x = (1 - sigma) x0 + sigma eps and v = eps - x0, so x + (1 - sigma) v = eps and x - sigma v = x0") {
  const auto clips = some_clips(4);
  const mg::FlowMatching flow{.shift = 2.0, .seed = 5};
  const auto batch = mg::training_batch<double>(flow, clips, 12);
  REQUIRE(batch.noisy.shape() == clips.shape());
  REQUIRE(batch.time.shape() == mg::Shape{4});
  const mg::Rng eps(5, mg::hash_name("flow_matching.noise"));
  const std::int64_t size = clips.size() / 4;
  for (std::int64_t i = 0; i < clips.size(); ++i) {
    const double sigma = batch.time.data()[i / size] / mg::time_scale;
    const double x = batch.noisy.data()[i], v = batch.target.data()[i];
    REQUIRE_THAT(x - sigma * v, WithinAbs(double(clips.data()[i]), 1e-14));
    REQUIRE_THAT(x + (1 - sigma) * v, WithinAbs(eps.normal(std::uint64_t(12 * size + i)), 1e-14));
  }
}

TEST_CASE("noise levels are logit-normal") {
  const auto shift = GENERATE(1.0, 3.0);
  const mg::FlowMatching flow{.mean = 0.4, .std = 0.8, .shift = shift, .seed = 1};
  double mean = 0, square = 0;
  const int n = 20000;
  for (int i = 0; i < n; ++i) {
    const double sigma = flow.sigma(std::uint64_t(i));
    REQUIRE(sigma > 0.0);
    REQUIRE(sigma < 1.0);
    const double unshifted = sigma / (shift - (shift - 1) * sigma);
    const double z = std::log(unshifted / (1 - unshifted));
    mean += z / n;
    square += z * z / n;
  }
  CHECK_THAT(mean, WithinAbs(0.4, 4 * 0.8 / std::sqrt(n)));
  CHECK_THAT(std::sqrt(square - mean * mean), WithinAbs(0.8, 4 * 0.8 / std::sqrt(2.0 * n)));
}

TEST_CASE("noise is standard normal, and different for every sample") {
  const auto noise = mg::gaussian_noise<double>(mg::Shape{40000}, mg::Rng(3, 4));
  double mean = 0, square = 0, neighbours = 0;
  for (std::int64_t i = 0; i < noise.size(); ++i) {
    mean += noise.data()[i] / 40000;
    square += noise.data()[i] * noise.data()[i] / 40000;
    neighbours += noise.data()[i] * noise.data()[(i + 1) % 40000] / 40000;
  }
  CHECK_THAT(mean, WithinAbs(0.0, 4 / std::sqrt(40000.0)));
  CHECK_THAT(square, WithinAbs(1.0, 4 * std::sqrt(2.0 / 40000)));
  CHECK_THAT(neighbours, WithinAbs(0.0, 4 / std::sqrt(40000.0)));
}

TEST_CASE("a sample is the same whatever batch it is in, and bit for bit the same again") {
  const auto clips = some_clips(6);
  const mg::FlowMatching flow{.seed = 8};
  const auto whole = mg::training_batch<float>(flow, clips, 100);
  const std::int64_t size = clips.size() / 6;
  const auto tail = mg::training_batch<float>(flow, clips.view(4 * size, mg::Shape{2, 3, 2, 5, 7}), 104);
  for (std::int64_t i = 0; i < 2 * size; ++i) REQUIRE(whole.noisy.data()[4 * size + i] == tail.noisy.data()[i]);
  CHECK(whole.time.data()[5] == tail.time.data()[1]);
  const auto next = mg::training_batch<float>(flow, clips, 101);
  CHECK(next.noisy.data()[0] != whole.noisy.data()[0]);
  const auto other = mg::training_batch<float>(mg::FlowMatching{.seed = 9}, clips, 100);
  CHECK(other.noisy.data()[0] != whole.noisy.data()[0]);
}

TEST_CASE("validation noise levels are the middles of equal strata, shifted") {
  const mg::FlowMatching flow{.shift = 3.0};
  const auto batch = mg::validation_batch<double>(flow, some_clips(5), 6, 4);
  for (int b = 0; b < 5; ++b) {
    const double middle = ((6 + b) % 4 + 0.5) / 4;
    CHECK_THAT(batch.time.data()[b], WithinRel(1000 * 3 * middle / (1 + 2 * middle), 1e-14));
  }
}

TEST_CASE("times stay float in a bf16 batch") {
  const auto clips = mg::Tensor<float, mg::Cpu>::zeros({2, 3});
  const std::vector<double> sigmas{0.998, 0.9999};
  const auto batch = mg::add_noise<mg::bf16>(mg::FlowMatching{}, clips, sigmas, 0);
  CHECK(batch.time.data()[0] == 998.0f);
  CHECK(batch.time.data()[1] == float(999.9));
}

TEST_CASE("a batch without one noise level per clip is refused") {
  const std::vector<double> sigmas{0.5, 0.5};
  CHECK_THROWS_AS(mg::add_noise<float>(mg::FlowMatching{}, some_clips(3), sigmas, 0), mg::shape_error);
}
