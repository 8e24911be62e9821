// SPDX-License-Identifier: MIT
// Averages of the weights in files of torch: beside the weights, or in the same file.
#pragma once
#include <optional>

#include <modelgrow/grow/torch_states.hpp>

namespace modelgrow::inline v0 {

namespace detail {
inline constexpr std::string_view averages_key = "ema";  // of averages in the torch file of the weights
/// Torch files of averages in the folder of the weights, by name.
std::vector<std::string> torch_average_files(const Checkpoint& in, const StateOptions& options);
}

/// The dictionary `ema` beside that of the weights in their torch file, or else ema.pt, ema_model.pt, model_ema.pt:
/// averages under the names of the weights, or a list in the order of the options or of a torch file of weights. A file
/// that nobody can read goes into `unread`. Throws io_error, and format_error for what can be read and does not fit:
/// a list without an order, another number of averages or other shapes, two files.
std::optional<Checkpoint> torch_averages(const Checkpoint& in, const StateOptions& options, Unread& unread);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/grow/torch_averages_inl.hpp>
#endif
