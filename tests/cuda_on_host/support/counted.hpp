// SPDX-License-Identifier: MIT
// The device Counted: the CUDA backend on a GPU that computes nothing and writes down what it is asked for. It has no
// memory, so a model of any size trains on it at once; what the host reads from it is zero.
#pragma once
#include <cstring>
#include <map>
#include <string>

#include "tests/cuda_on_host/support/kernel_bytes.hpp"
#include "tests/cuda_on_host/support/kernel_name.hpp"

namespace modelgrow::inline v0 {

struct Counted {
  struct Cost {
    std::int64_t launches = 0;
    double bytes = 0;
  };
  struct Log {
    std::map<std::string, Cost> kernels;
    std::int64_t waits = 0, allocations = 0;
  };
  static Log& log() {
    static Log log;
    return log;
  }
  static void add(const std::string& kernel, double bytes) {
    Cost& cost = log().kernels[kernel];
    ++cost.launches;
    cost.bytes += bytes;
  }

  static void* allocate(std::size_t bytes) {
    static std::uintptr_t next = 4096;
    ++log().allocations;
    void* p = reinterpret_cast<void*>(next);  // an address that nobody may use
    next += (bytes + 511) / 256 * 256;
    return p;
  }
  static void release(void*) noexcept {}
  static void zero(void*, std::size_t bytes) { add("clear", double(bytes)); }
  static void copy(void*, const void*, std::size_t bytes) { add("copy", 2 * double(bytes)); }
  static void from_host(void*, const void*, std::size_t) { ++log().waits; }
  static void to_host(void* to, const void*, std::size_t bytes) {
    std::memset(to, 0, bytes);
    ++log().waits;
  }
  static Pool<Counted>& pool() {
    static Pool<Counted> pool;
    return pool;
  }
};

namespace kernels {

struct CountingExecutor {
  using Device = Counted;
  template <class Kernel>
  static void launch(const Kernel& kernel) {
    static const std::string name = name_of<Kernel>();
    if (kernel.blocks() > 0) Counted::add(name, bytes_of(kernel));
  }
  template <class T, class R>
  static void multiply(MatrixSize s, Transposed transposed, const T*, const T*, Write write, R*) {
    const char* name = transposed == Transposed::b   ? "product x w^T"
                       : transposed == Transposed::a ? "product dy^T x"
                                                     : "product dy w";
    Counted::add(name, product_bytes<T, R>(s, write));
  }
  template <class Epilogue, class T, class R>
  static bool multiply_with(const Epilogue& epilogue, MatrixSize s, Transposed, const T*, const T*, Write write, R*) {
    const auto [name, beside] = described(epilogue);
    Counted::add(name, product_bytes<T, R>(s, write) + beside * double(s.rows) * double(s.columns) * size_of<R>);
    return true;
  }

 private:
  /// The name of a product, and how many arrays of the size of the result it reads and writes beside that.
  struct Described {
    const char* name;
    double beside;
  };
  template <class T>
  static Described described(const WithBias<T>&) {
    return {"product x w^T + b", 0};
  }
  template <class T>
  static Described described(const WithBiasGelu<T>& e) {
    if (e.inner) return {"product gelu(x w^T + b), kept", 1};
    return {"product gelu(x w^T + b)", 0};
  }
  template <class T>
  static Described described(const WithGeluGradient<T>&) {
    return {"product dy w gelu'", 1};
  }
  template <class S>
  static Described described(const WithRowSums<S>&) {
    return {"product dy^T x, sum dy", 0};
  }
  template <class T, class R>
  static double product_bytes(MatrixSize s, Write write) {
    const double operands = double(s.inner) * double(s.rows + s.columns), result = double(s.rows) * double(s.columns);
    return operands * size_of<T> + result * size_of<R> * (write == Write::add ? 2 : 1);
  }
};

}  // namespace kernels

template <>
struct Backend<Counted> : kernels::Operations<kernels::CountingExecutor> {};

}  // namespace modelgrow::inline v0
