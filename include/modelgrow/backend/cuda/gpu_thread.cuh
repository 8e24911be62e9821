// SPDX-License-Identifier: MIT
// The device layer of the GPU: kernel.hpp says what each function does.
#pragma once
#include <modelgrow/backend/cuda/fragments.hpp>
#include <modelgrow/backend/cuda/kernel.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// One GPU thread.
struct GpuThread {
  MODELGROW_DEVICE unsigned thread() const { return threadIdx.x; }
  MODELGROW_DEVICE Index block() const { return blockIdx.x; }
  MODELGROW_DEVICE Index blocks() const { return gridDim.x; }

  MODELGROW_DEVICE void sync() const { __syncthreads(); }
  MODELGROW_DEVICE void sync_warp() const { __syncwarp(); }
  template <class A>
  MODELGROW_DEVICE A shuffle_xor(A v, int mask) const {
    return __shfl_xor_sync(~0u, v, mask);
  }

  MODELGROW_DEVICE float exp(float x) const { return ::expf(x); }
  MODELGROW_DEVICE float exp2(float x) const {
    float result;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
    return result;
  }
  MODELGROW_DEVICE float fma(float a, float b, float c) const { return ::fmaf(a, b, c); }
  MODELGROW_DEVICE float max(float a, float b) const { return ::fmaxf(a, b); }
  MODELGROW_DEVICE float log(float x) const { return ::logf(x); }
  MODELGROW_DEVICE float tanh(float x) const { return ::tanhf(x); }
  MODELGROW_DEVICE float sqrt(float x) const { return ::sqrtf(x); }
  MODELGROW_DEVICE double sqrt(double x) const { return ::sqrt(x); }
  MODELGROW_DEVICE float cos(float x) const { return ::cosf(x); }
  MODELGROW_DEVICE float sin(float x) const { return ::sinf(x); }

  MODELGROW_DEVICE float widen(float v) const { return v; }
  MODELGROW_DEVICE float widen(bf16 v) const { return __uint_as_float(std::uint32_t(v.bits) << 16); }
  template <class T>
  MODELGROW_DEVICE T narrow(float v) const {
    if constexpr (std::same_as<T, float>) {
      return v;
    } else {
      static_assert(std::same_as<T, bf16>, "the CUDA backend stores float and bf16");
      T result;
      asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(result.bits) : "f"(v));  // to nearest even
      return result;
    }
  }
  MODELGROW_DEVICE std::uint32_t pack(float low, float high) const {
    std::uint32_t result;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
    return result;
  }
  // In assembly, so that nvcc does them once: it would move them to every use.
  MODELGROW_DEVICE float low(std::uint32_t two) const {
    float result;
    asm("shl.b32 %0, %1, 16;" : "=f"(result) : "r"(two));
    return result;
  }
  MODELGROW_DEVICE float high(std::uint32_t two) const {
    float result;
    asm("and.b32 %0, %1, 0xffff0000;" : "=f"(result) : "r"(two));
    return result;
  }

  MODELGROW_DEVICE std::uint32_t transposed(std::uint32_t r) const {
    std::uint32_t result;
    asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(result) : "r"(r));
    return result;
  }
  template <class V>
  MODELGROW_DEVICE V load(const void* p) const {
    return *static_cast<const V*>(p);
  }
  template <class V>
  MODELGROW_DEVICE void store(void* p, const V& v) const {
    *static_cast<V*>(p) = v;
  }
  template <class V>
  MODELGROW_DEVICE void store_at_once(void* p, const V& v) const {
    static_assert(sizeof(V) == 16);
    std::uint32_t words[4];
    memcpy(words, &v, sizeof v);
    asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(p)), "r"(words[0]),
                 "r"(words[1]), "r"(words[2]), "r"(words[3])
                 : "memory");
  }

  MODELGROW_DEVICE void mma(FragmentC& c, const FragmentA<16>& a, const FragmentB<16>& b) const {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(c.at[0]), "+f"(c.at[1]), "+f"(c.at[2]), "+f"(c.at[3])
        : "r"(a.at[0]), "r"(a.at[1]), "r"(a.at[2]), "r"(a.at[3]), "r"(b.at[0]), "r"(b.at[1]));
  }
  MODELGROW_DEVICE void mma(FragmentC& c, const FragmentA<8>& a, const FragmentB<8>& b) const {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
        : "+f"(c.at[0]), "+f"(c.at[1]), "+f"(c.at[2]), "+f"(c.at[3])
        : "r"(a.at[0]), "r"(a.at[1]), "r"(b.at[0]));
  }
  template <int N>
  MODELGROW_DEVICE void load_matrix(std::uint32_t (&r)[N], const bf16* row) const {
    static_assert(N == 1 || N == 2 || N == 4);
    const unsigned from = shared_address(row);
    if constexpr (N == 1)
      asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(from) : "memory");
    else if constexpr (N == 2)
      asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                   : "=r"(r[0]), "=r"(r[1])
                   : "r"(from)
                   : "memory");
    else
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                   : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                   : "r"(from)
                   : "memory");
  }
  template <int N>
  MODELGROW_DEVICE void load_matrix_transposed(std::uint32_t (&r)[N], const bf16* row) const {
    static_assert(N == 1 || N == 2 || N == 4);
    const unsigned from = shared_address(row);
    if constexpr (N == 1)
      asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];" : "=r"(r[0]) : "r"(from) : "memory");
    else if constexpr (N == 2)
      asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                   : "=r"(r[0]), "=r"(r[1])
                   : "r"(from)
                   : "memory");
    else
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                   : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                   : "r"(from)
                   : "memory");
  }

  MODELGROW_DEVICE void copy_async(void* to, const void* from, int bytes = 16) const {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)),
                 "l"(__cvta_generic_to_global(from)), "r"(bytes)
                 : "memory");
  }
  MODELGROW_DEVICE void commit_copies() const { asm volatile("cp.async.commit_group;" ::: "memory"); }
  template <int N>
  MODELGROW_DEVICE void wait_copies() const {
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
  }

 private:
  MODELGROW_DEVICE static unsigned shared_address(const void* p) { return unsigned(__cvta_generic_to_shared(p)); }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
