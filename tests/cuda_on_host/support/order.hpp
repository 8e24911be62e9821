// SPDX-License-Identifier: MIT
// What a GPU leaves open, and both machines on the host can do either way.
#pragma once

namespace emulator {

/// The order in which threads that can run do.
enum class Order { forward, reverse, shuffled };
inline constexpr Order orders[] = {Order::forward, Order::reverse, Order::shuffled};

/// When an asynchronous copy takes place: as soon as it is asked for, or not before its thread waits for it.
enum class Copies { eager, late };
inline constexpr Copies copy_times[] = {Copies::eager, Copies::late};

}  // namespace emulator
