// SPDX-License-Identifier: MIT
// Whom to believe when config.json and the shapes of a file disagree.
#pragma once

namespace modelgrow::inline v0 {

/// Whether config.json may contradict the file.
enum class Trust {
  nobody,  // a contradiction is an error that names both values
  file,    // the shapes of the file win
};

}  // namespace modelgrow::inline v0
