// SPDX-License-Identifier: MIT
// Unfinished output lives beside its target under a hidden name, locked by its owner; whoever finds one unlocked knows
// that its owner died and removes it.
#pragma once
#include <stdio.h>
#include <sys/file.h>

#include <chrono>

#include <modelgrow/detail/posix.hpp>

namespace modelgrow::inline v0 {

/// What to do when the output exists already.
enum class Existing { refuse, replace };

namespace detail {

/// "dir/.model.safetensors.partial-" for "dir/model.safetensors".
std::filesystem::path partial_prefix(const std::filesystem::path& target);

/// A fresh name beside the target; callers create it exclusively and ask again on EEXIST.
std::filesystem::path partial_name(const std::filesystem::path& target);

/// Removes unfinished output of processes that died while writing `target`.
void remove_leftovers(const std::filesystem::path& target);

/// Locks a freshly created entry; false when another process took it for a leftover first.
bool lock_partial(int fd, const std::filesystem::path& path);

/// Throws io_error when `target` cannot be written because it exists or has no directory.
void check_target(const std::filesystem::path& target, Existing existing);

/// Gives finished output its name. With `refuse`, never over something that appeared meanwhile.
void publish(const std::filesystem::path& partial, const std::filesystem::path& target, Existing existing);

}  // namespace detail
}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/detail/partial_inl.hpp>
#endif
