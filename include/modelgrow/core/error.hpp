// SPDX-License-Identifier: MIT
// The exceptions of the library. Every message says what went wrong, where, what was found and expected, and what to
// do.
#pragma once
#include <stdexcept>

namespace modelgrow::inline v0 {

/// Base of every exception thrown by modelgrow.
struct error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// Shapes of tensors, parameters or batches that do not fit together.
struct shape_error : error {
  using error::error;
};
/// Bytes of a file that do not follow its format.
struct format_error : error {
  using error::error;
};
/// The operating system refused a file operation (missing, unreadable, disk full).
struct io_error : error {
  using error::error;
};
/// A growth that cannot be planned as asked: unknown space, wrong size, forbidden place.
struct plan_error : error {
  using error::error;
};
/// Options that cannot be read: an unknown key, or a value of another kind.
struct option_error : error {
  using error::error;
};
/// A proof that failed: the file check or the forward check found a difference.
struct check_error : error {
  using error::error;
};
/// A device or one of its libraries reported an error.
struct device_error : error {
  using error::error;
};
/// Ranks that cannot be reached, or that came with different work.
struct communication_error : error {
  using error::error;
};

}  // namespace modelgrow::inline v0
