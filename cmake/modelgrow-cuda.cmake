# SPDX-License-Identifier: MIT
# Makes the target modelgrow::cuda: modelgrow plus the CUDA runtime and cuBLAS, with the flags .cuh headers need.
# Used by the build and by the installed package (find_package(modelgrow COMPONENTS cuda)).
# With nvcc 13.5 or later also modelgrow::cuda_tiles, for files that include backend/cuda_tiles.cuh.
find_package(CUDAToolkit 12 REQUIRED)
if(NOT TARGET modelgrow::cuda)
  add_library(modelgrow_cuda INTERFACE)
  add_library(modelgrow::cuda ALIAS modelgrow_cuda)
  target_link_libraries(modelgrow_cuda INTERFACE modelgrow::modelgrow CUDA::cudart CUDA::cublas CUDA::cublasLt)
  # -std=c++20 by hand: CMake 3.25 knows no cuda_std_20 for nvcc 13. -fopenmp: the same inline functions as in .cpp files.
  # nvcc to 13.5 makes another object of member{{"name", n}} where members are initialised: the inner braces initialise the
  # first field, the other fields nothing. That is an error where something narrows. Else g++ names the fields that are left,
  # but not where all of them have initialisers of their own: there nothing tells.
  target_compile_options(modelgrow_cuda INTERFACE
    $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20 -Xcompiler=-fopenmp -Xcompiler=-Werror=narrowing
      -Xcompiler=-Wmissing-field-initializers
      -diag-suppress=1675>)  # GCC's pragmas are for g++, which sees them after nvcc
  # A fifth of the size. Not before 13, whose drivers all read it; and not where the user says how to compress.
  if(NOT CMAKE_CUDA_FLAGS MATCHES "compress")
    target_compile_options(modelgrow_cuda INTERFACE
      $<$<AND:$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>,$<VERSION_GREATER_EQUAL:$<CUDA_COMPILER_VERSION>,13>>:--compress-mode=size>)
  endif()
  # Eigen stays on the host, with the same definitions as in .cpp files.
  target_compile_definitions(modelgrow_cuda INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:EIGEN_NO_CUDA>)
endif()
if(NOT TARGET modelgrow::cuda_tiles AND CMAKE_CUDA_COMPILER_ID STREQUAL "NVIDIA" AND NOT CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 13.5)
  add_library(modelgrow_cuda_tiles INTERFACE)
  add_library(modelgrow::cuda_tiles ALIAS modelgrow_cuda_tiles)
  target_link_libraries(modelgrow_cuda_tiles INTERFACE modelgrow::cuda)
  target_compile_options(modelgrow_cuda_tiles INTERFACE $<$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>:--enable-tile>)
endif()
