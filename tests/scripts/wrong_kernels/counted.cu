// SPDX-License-Identifier: MIT
// Kernels with a known number of an instruction, by name, and one of which ptxas ignores a part.
#include <cstdint>
#define KERNEL extern "C" __global__ void __launch_bounds__(128)

KERNEL HMMA_7(float* o, const unsigned* a) {
  float d[4] = {0, 0, 0, 0};
#pragma unroll
  for (int i = 0; i < 7; ++i)
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(a[4]), "r"(a[5]));
  for (int i = 0; i < 4; ++i) o[i] = d[i];
}
KERNEL HGMMA_3(float* o, std::uint64_t a, std::uint64_t b) {
  float d[4] = {0, 0, 0, 0};
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
  for (int i = 0; i < 3; ++i)
    asm volatile("wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0,%1,%2,%3},%4,%5,1,1,1,0,0;"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "l"(a + 2 * i), "l"(b + 2 * i));
  asm volatile("wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;" ::: "memory");
  for (int i = 0; i < 4; ++i) o[threadIdx.x * 4 + i] = d[i];
}
KERNEL LDG_128_2(int4* o, const int4* g) {
  int4 a = g[threadIdx.x], b = g[threadIdx.x + 128];
  a.x += b.x, a.y += b.y, a.z += b.z, a.w += b.w;
  o[threadIdx.x] = a;
}
KERNEL LDG_64_1(int2* o, const int2* g) {
  int2 a = g[threadIdx.x];
  o[threadIdx.x] = make_int2(a.y, a.x);
}
KERNEL LDG_32_1(float* o, const float* g) { o[threadIdx.x] = g[threadIdx.x] + 1; }
KERNEL LDG_16_2(int* o, const short* g, const unsigned short* h) { o[threadIdx.x] = g[threadIdx.x] + h[threadIdx.x]; }
KERNEL LDG_8_2(int* o, const signed char* g, const unsigned char* h) {
  o[threadIdx.x] = g[threadIdx.x] + h[threadIdx.x];
}
KERNEL LDGSTS_1(float* o, const float* g) {
  __shared__ __align__(16) float s[512];
  const auto at = unsigned(__cvta_generic_to_shared(s + threadIdx.x * 4));
  asm volatile("cp.async.cg.shared.global [%0],[%1],16;" ::"r"(at), "l"(g + threadIdx.x * 4));
  asm volatile("cp.async.commit_group;\ncp.async.wait_group 0;");
  __syncthreads();
  o[threadIdx.x] = s[threadIdx.x ^ 1];
}
KERNEL LDS_1(float* o) {
  __shared__ float s[128];
  s[threadIdx.x] = o[threadIdx.x];
  __syncthreads();
  o[threadIdx.x] = s[threadIdx.x ^ 1];
}
KERNEL STS_1(float* o) {
  __shared__ float s[128];
  s[threadIdx.x] = o[threadIdx.x];
  __syncthreads();
  o[threadIdx.x] = s[threadIdx.x ^ 1];
}
KERNEL ATOM_RED_3(float* o, int* n) {
  atomicAdd(o, 1.f);
  n[1] = atomicAdd(n, 1);
  n[2] = atomicCAS(n + 3, 1, 2);
}
extern "C" __global__ void ignored(int* o) {  // without bounds there is nothing to take registers from
  asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
  *o = 1;
}
