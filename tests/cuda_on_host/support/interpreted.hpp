// SPDX-License-Identifier: MIT
// The device Interpreted: the CUDA backend with nvcc's own PTX of its kernels, run by the interpreter.
#pragma once
#include <optional>
#include <typeinfo>

#include <modelgrow/backend/cuda/operations.hpp>

#include "tests/cuda_on_host/support/product.hpp"
#include "tests/cuda_on_host/support/ptx/machine.hpp"
#include "tests/cuda_on_host/support/ptx/parser.hpp"

namespace modelgrow::inline v0 {

struct Interpreted {
  /// An instruction to leave out of the kernels whose name contains `kernel`.
  struct Omission {
    std::string kernel, instruction;
    int number = 0;
  };
  static ptx::Memory& memory() {
    static ptx::Memory memory;
    return memory;
  }
  static ptx::Machine& machine() {
    static ptx::Machine machine(memory());
    return machine;
  }
  static const ptx::Module& module() {
    static const ptx::Module module = ptx::Module::of_file(MODELGROW_TEST_PTX, memory());
    return module;
  }
  static std::optional<Omission>& omission() {
    static std::optional<Omission> omission;
    return omission;
  }
  static void* allocate(std::size_t bytes) { return memory().allocate(bytes); }
  static void release(void* p) noexcept { memory().release(p); }
  static void zero(void* p, std::size_t bytes) { std::memset(p, 0, bytes); }
  static void copy(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
  static void from_host(void* to, const void* from, std::size_t bytes) { copy(to, from, bytes); }
  static void to_host(void* to, const void* from, std::size_t bytes) { copy(to, from, bytes); }
  /// Memory of exactly the size that was asked for, never used again.
  struct ExactPool {
    std::shared_ptr<void> allocate(std::size_t bytes) { return {Interpreted::allocate(bytes), &Interpreted::release}; }
  };
  static ExactPool pool() { return {}; }
};

namespace kernels {

struct PtxExecutor {
  using Device = Interpreted;
  template <class Kernel>
  static void launch(const Kernel& kernel) {
    const ptx::Entry* entry = &Interpreted::module().kernel_of(typeid(Kernel).name());
    ptx::Entry changed;
    if (const auto& o = Interpreted::omission(); o && entry->name.find(o->kernel) != std::string::npos) {
      changed = ptx::without(*entry, o->instruction, o->number);
      entry = &changed;
    }
    Interpreted::machine().launch({.entry = entry,
                                   .parameters = std::as_bytes(std::span(&kernel, 1)),
                                   .threads = Kernel::threads,
                                   .shared_bytes = sizeof(typename Kernel::Shared),
                                   .blocks = kernel.blocks()});
  }
  template <class T, class R>
  static void multiply(MatrixSize size, Transposed transposed, const T* a, const T* b, Write write, R* c) {
    emulator::multiply(size, transposed, a, b, write, c);
  }
  template <class Epilogue, class T, class R>
  static bool multiply_with(const Epilogue& epilogue, MatrixSize size, Transposed transposed, const T* a, const T* b,
                            Write write, R* c) {
    return emulator::multiply_with(epilogue, size, transposed, a, b, write, c);
  }
};

}  // namespace kernels

template <>
struct Backend<Interpreted> : kernels::Operations<kernels::PtxExecutor> {};

}  // namespace modelgrow::inline v0
