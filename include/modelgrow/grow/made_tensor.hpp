// SPDX-License-Identifier: MIT
// A tensor of the grown model that is made while it is written, for stores that read one several times and are proven
// when they are read back; all others take those of proven_tensors.hpp.
#pragma once
#include <memory>

#include <modelgrow/checkpoint/joined_tensor.hpp>
#include <modelgrow/core/parallel.hpp>
#include <modelgrow/grow/maker.hpp>

namespace modelgrow::inline v0::detail {

/// Keeps references to the plan, the set and the output; one thread at a time reads it. Throws what Maker throws, and
/// io_error, when it is read.
inline JoinedTensor made_tensor(const Plan& plan, const TensorSet& set, const Output& output) {
  const auto maker = std::make_shared<std::unique_ptr<Maker>>();
  const auto bytes = byte_size(output.target.dtype, output.target.shape).value();
  return {output.target, [=, &plan, &set, &output](std::uint64_t begin, std::span<std::byte> out) {
            if (!*maker) *maker = std::make_unique<Maker>(plan, output);
            const auto source = (*maker)->source(begin, begin + out.size());
            set.prepare(source);
            constexpr std::int64_t grain = std::int64_t{1} << 20;
            parallel_for(std::int64_t(out.size()), grain, [&](std::int64_t from, std::int64_t to) {
              (*maker)->make(begin + std::uint64_t(from), out.subspan(std::size_t(from), std::size_t(to - from)));
            });
            set.release(source);
            if (begin + out.size() == bytes) maker->reset();  // its maps are large
          }};
}

}  // namespace modelgrow::inline v0::detail
