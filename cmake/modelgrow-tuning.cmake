# SPDX-License-Identifier: MIT
# Sets MODELGROW_TUNING_FLAGS: what the CPU backend needs to be fast. Used by the build and by the installed package.
#  -fno-math-errno  lets g++ vectorise loops over sqrt and friends (AdamW: 13x).
#  -mtune           g++ takes znver3's costs for Zen 4 and then reloads every operand of Eigen's AVX-512 GEMM from memory;
#                   this tuning changes no instruction set, only scheduling (GEMM: 1.25x).
set(MODELGROW_TUNING_FLAGS $<$<COMPILE_LANGUAGE:CXX>:-fno-math-errno>)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  list(APPEND MODELGROW_TUNING_FLAGS $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-mtune=skylake-avx512>)
endif()
