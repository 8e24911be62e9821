// SPDX-License-Identifier: MIT
// Definitions of apply.hpp.
#pragma once
#include <modelgrow/core/parallel.hpp>
#include <modelgrow/grow/apply.hpp>
#include <modelgrow/grow/maker.hpp>

namespace modelgrow::inline v0 {

MODELGROW_INLINE void apply(const Plan& plan, const TensorSet& set, std::span<const Output> outputs,
                            const OutputSink& sink, const Progress& progress) {
  std::mutex mutex;
  ProgressReport so_far{.what = {}, .total = std::int64_t(outputs.size())};
  for (const auto& o : outputs) so_far.total_bytes += byte_size(o.target.dtype, o.target.shape).value_or(0);
  parallel_tasks(so_far.total, 0, [&] {
    return [&, tile = std::vector<std::byte>(tile_bytes)](std::int64_t i) mutable {
      const Output& o = outputs[std::size_t(i)];
      const detail::Maker maker(plan, o);
      for (std::uint64_t at = 0; at < maker.bytes(); at += tile_bytes) {
        const auto piece = std::span(tile).first(std::min<std::uint64_t>(tile_bytes, maker.bytes() - at));
        maker.make(at, piece);
        sink(std::size_t(i), piece);
      }
      if (o.source) set.release(o.source->span());
      const std::lock_guard lock(mutex);
      so_far.what = o.target.name;
      ++so_far.done;
      so_far.bytes += maker.bytes();
      if (progress) progress(so_far);
    };
  });
}

}  // namespace modelgrow::inline v0
