// SPDX-License-Identifier: MIT
// The ways in which parity is checked on the emulated GPU.
#pragma once
#include "tests/cuda_on_host/support/emulated.hpp"
#include "tests/support/parity.hpp"

/// Threads run forward, in reverse and shuffled: a missing barrier shows in one of them. Copies take place early or
/// late: a missing wait, or a tile that is overwritten too soon, shows in one of these.
template <>
struct modelgrow::testing::Modes<modelgrow::Emulated> {
  template <class F>
  static void for_each(F&& f) {
    using emulator::Copies, emulator::Order;
    for (const auto& [order, copies] :
         {std::pair{Order::forward, Copies::late}, std::pair{Order::reverse, Copies::eager},
          std::pair{Order::shuffled, Copies::late}}) {
      Emulated::machine().configure({.order = order, .copies = copies});
      f();
    }
    Emulated::machine().configure({});
  }
};
