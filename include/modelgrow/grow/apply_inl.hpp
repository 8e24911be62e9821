// SPDX-License-Identifier: MIT
// Definitions of apply.hpp.
#pragma once
#include <atomic>
#include <exception>
#include <mutex>

#include <modelgrow/core/parallel.hpp>
#include <modelgrow/grow/apply.hpp>
#include <modelgrow/grow/fill.hpp>
#include <modelgrow/grow/kernel.hpp>

namespace modelgrow::inline v0 {

namespace detail {

using TileSink = std::function<void(std::span<const std::byte>)>;

template <Element T>
void stream_recipe(const Recipe& r, const Output& o, const TileSink& write) {
  const std::int64_t n = numel(r.shape), tile = std::int64_t(tile_bytes / sizeof(T));
  const Kernel kernel(r, o.of);
  const Fresh fresh(r.init, shape_of(r.source_axes), r.seed, r.init_key);
  std::vector<std::byte> made;
  if (r.filling && o.of == Of::weights) made = filled<T>(*r.filling, shape_of(r.source_axes), *o.source, *o.weight);
  const std::byte* stored = o.source ? o.source->data : nullptr;
  const Source<T> source{.data = made.empty() ? stored : made.data(), .fresh = &fresh};
  std::vector<T> buffer(std::size_t(std::min(n, tile)));
  const std::int64_t row = r.shape.rank() > 0 && r.shape[0] > 0 ? n / r.shape[0] : 1;
  const auto close = [&](std::int64_t first, std::int64_t last, T* values) {  // rows that are gates
    if (o.of != Of::weights) return;
    for (const auto& g : r.gates) {
      const std::int64_t from = std::max(first, g.begin * row), to = std::min(last, g.end * row);
      if (from < to) std::fill(values + (from - first), values + (to - first), T(0));
    }
  };
  for (std::int64_t begin = 0; begin < n; begin += tile) {
    const std::int64_t end = std::min(n, begin + tile);
    kernel.run(source, begin, end, buffer.data());
    close(begin, end, buffer.data());
    write(std::as_bytes(std::span(buffer)).first(sizeof(T) * std::size_t(end - begin)));
  }
}

// Calls write(bytes) for the pieces of one output, in order.
MODELGROW_INLINE void stream(const Plan& plan, const Output& o, const TileSink& write) {
  const std::size_t bytes = std::size_t(byte_size(o.target.dtype, o.target.shape).value());
  const auto pieces = [&](std::span<const std::byte> all) {
    for (std::size_t at = 0; at < all.size(); at += tile_bytes)
      write(all.subspan(at, std::min(tile_bytes, all.size() - at)));
  };
  const auto zeros = [&] {
    const std::vector<std::byte> nothing(std::min(bytes, tile_bytes));
    for (std::size_t at = 0; at < bytes; at += tile_bytes)
      write(std::span(nothing).first(std::min(tile_bytes, bytes - at)));
  };
  switch (o.kind) {
    case Output::Kind::copied:
      return pieces(o.source->span());
    case Output::Kind::values:
      return pieces(o.values);
    case Output::Kind::zeros:
      return zeros();
    case Output::Kind::recipe:
      break;
  }
  const Recipe r = plan.recipe(std::size_t(o.parameter));
  if (r.zeros(o.of)) return zeros();
  if (r.copies_bytes(o.of)) return pieces(o.source->span());
  switch (o.target.dtype) {
    case DType::f64:
      return stream_recipe<double>(r, o, write);
    case DType::f32:
      return stream_recipe<float>(r, o, write);
    case DType::f16:
      return stream_recipe<f16>(r, o, write);
    case DType::bf16:
      return stream_recipe<bf16>(r, o, write);
    default:
      throw format_error("tensor '" + o.target.name + "' of type " + std::string(name(o.target.dtype)) +
                         " cannot grow");
  }
}

}  // namespace detail

MODELGROW_INLINE void apply(const Plan& plan, const TensorSet& set, std::span<const Output> outputs,
                            const OutputSink& sink, const Progress& progress) {
  std::mutex mutex;
  std::exception_ptr failure;
  std::atomic<bool> failed{false};
  std::int64_t finished = 0;
  std::uint64_t bytes_made = 0, bytes_wanted = 0;
  for (const auto& o : outputs) bytes_wanted += byte_size(o.target.dtype, o.target.shape).value_or(0);
  parallel_for(std::int64_t(outputs.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end && !failed; ++i) try {
        const Output& o = outputs[std::size_t(i)];
        std::size_t made = 0;
        detail::stream(plan, o, [&](std::span<const std::byte> bytes) {
          if (failed) return;
          sink(std::size_t(i), bytes);
          made += bytes.size();
          if (made % (16 * tile_bytes) == 0 && o.source) set.release(*o.source);
        });
        if (o.source) set.release(*o.source);
        const std::lock_guard lock(mutex);
        ++finished;
        bytes_made += made;
        if (progress)
          progress(ProgressReport{.what = o.target.name,
                                  .done = finished,
                                  .total = std::int64_t(outputs.size()),
                                  .bytes = bytes_made,
                                  .total_bytes = bytes_wanted});
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        failed = true;
      }
  });
  if (failure) std::rethrow_exception(failure);
}

}  // namespace modelgrow::inline v0
