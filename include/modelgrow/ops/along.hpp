// SPDX-License-Identifier: MIT
// The two directions of video tokens [B, T, S, C].
#pragma once

namespace modelgrow::inline v0 {

/// Over the S positions of each frame, or over the T frames of each position.
enum class Along { space, time };

}  // namespace modelgrow::inline v0
