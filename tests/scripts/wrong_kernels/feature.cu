// SPDX-License-Identifier: MIT
// A kernel for sm_90a alone (or EVERYWHERE): compiled for compute_90 it is empty, and later cards run it all the same.
__global__ void planted(float* x) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL) || defined(EVERYWHERE)
  x[threadIdx.x] += 1;
#endif
}
int main() { planted<<<1, 1>>>(nullptr); }
