// SPDX-License-Identifier: MIT
// A device is a type that owns memory: Cpu, Meta (shapes without memory) and, in backend/cuda.cuh, Cuda.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

namespace modelgrow::inline v0 {

/// Host memory, 64-byte aligned.
struct Cpu {
  static constexpr std::size_t alignment = 64;
  static void* allocate(std::size_t bytes) { return ::operator new (bytes, std::align_val_t{alignment}); }
  static void release(void* p) noexcept { ::operator delete (p, std::align_val_t{alignment}); }
  static void zero(void* p, std::size_t bytes) { std::memset(p, 0, bytes); }
  static void copy(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
  static void from_host(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
  static void to_host(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
};

/// No memory at all: a model on Meta has a schema and costs nothing.
struct Meta {
  static void* allocate(std::size_t) { return nullptr; }
  static void release(void*) noexcept {}
  static void zero(void*, std::size_t) {}
  static void copy(void*, const void*, std::size_t) {}
  static void from_host(void*, const void*, std::size_t) {}
  static void to_host(void*, const void*, std::size_t) {}
};

/// An NVIDIA GPU; completed by <modelgrow/cuda.cuh>.
struct Cuda;

/// A type that allocates, clears and moves memory. Of others than Cpu one thread at a time does so, the one whose work
/// goes to them: its queue and its GPU are its own.
template <class D>
concept Device = requires(void* p, const void* q, std::size_t n) {
  { D::allocate(n) } -> std::same_as<void*>;
  D::release(p);
  D::zero(p, n);
  D::copy(p, q, n);
  D::from_host(p, q, n);
  D::to_host(p, q, n);
};

}  // namespace modelgrow::inline v0
