# SPDX-License-Identifier: MIT
# Makes the target modelgrow::cuda: modelgrow plus the CUDA runtime and cuBLAS, with the flags .cuh headers need.
# Used by the build and by the installed package (find_package(modelgrow COMPONENTS cuda)).
find_package(CUDAToolkit 12 REQUIRED)
if(NOT TARGET modelgrow::cuda)
  add_library(modelgrow_cuda INTERFACE)
  add_library(modelgrow::cuda ALIAS modelgrow_cuda)
  target_link_libraries(modelgrow_cuda INTERFACE modelgrow::modelgrow CUDA::cudart CUDA::cublas CUDA::cublasLt)
  # -std=c++20 by hand: CMake 3.25 knows no cuda_std_20 for nvcc 13. The narrowing error catches nvcc 13's rewriting of nested
  # anonymous braces, which otherwise builds wrong objects silently. -fopenmp: the same inline functions as in .cpp files.
  target_compile_options(modelgrow_cuda INTERFACE
    $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20 -Xcompiler=-Werror=narrowing -Xcompiler=-fopenmp
      -diag-suppress=1675>)  # GCC's pragmas are for g++, which sees them after nvcc
  # A seventh of the size. Not before 13, whose drivers all read it; and not where the user says how to compress.
  if(NOT CMAKE_CUDA_FLAGS MATCHES "compress")
    target_compile_options(modelgrow_cuda INTERFACE
      $<$<AND:$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>,$<VERSION_GREATER_EQUAL:$<CUDA_COMPILER_VERSION>,13>>:--compress-mode=size>)
  endif()
  # Eigen stays on the host, with the same definitions as in .cpp files.
  target_compile_definitions(modelgrow_cuda INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:EIGEN_NO_CUDA>)
endif()
