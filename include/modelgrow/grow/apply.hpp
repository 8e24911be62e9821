// SPDX-License-Identifier: MIT
// The common core of growth on disk and in memory: streams every output to a sink in tiles, on all cores.
#pragma once
#include <functional>

#include <modelgrow/core/linkage.hpp>
#include <modelgrow/core/progress.hpp>
#include <modelgrow/grow/outputs.hpp>

namespace modelgrow::inline v0 {

/// Tiles are at most this large, so that the memory of a growth does not depend on the size of the model.
inline constexpr std::size_t tile_bytes = std::size_t{1} << 20;

/// Takes the next bytes of one output.
using OutputSink = std::function<void(std::size_t output, std::span<const std::byte> bytes)>;

/// Makes all outputs from `set`: calls sink(i, bytes) with the pieces of output i in order, different outputs from
/// different threads. What sink or progress (one call at a time, any thread) throw ends the work and is thrown.
void apply(const Plan& plan, const TensorSet& set, std::span<const Output> outputs, const OutputSink& sink,
           const Progress& progress = {});

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/apply_inl.hpp>
#endif
