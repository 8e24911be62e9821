# SPDX-License-Identifier: MIT
# Enables the CUDA language as MODELGROW_CUDA asks (AUTO, ON, OFF); leaves CMAKE_CUDA_COMPILER empty when there is none.
# Inside another project AUTO follows that project: it has CUDA when the project enabled it.
if(MODELGROW_CUDA STREQUAL "OFF" OR (MODELGROW_CUDA STREQUAL "AUTO" AND NOT PROJECT_IS_TOP_LEVEL))
  return()
endif()
include(CheckLanguage)
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(nvcc nvcc PATHS /usr/local/cuda/bin)
  if(nvcc)
    set(ENV{CUDACXX} ${nvcc})
  endif()
endif()
set(modelgrow_cuda_architectures 80-real 90a-real 90-virtual)  # the last is PTX, which drivers compile for later cards
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES ${modelgrow_cuda_architectures} CACHE STRING
    "GPU architectures; a list, so that no GPU is needed to compile")
endif()
check_language(CUDA)
if(CMAKE_CUDA_COMPILER)
  enable_language(CUDA)
  message(STATUS "modelgrow::cuda: on (${CMAKE_CUDA_COMPILER} ${CMAKE_CUDA_COMPILER_VERSION})")
elseif(MODELGROW_CUDA STREQUAL "ON")
  message(FATAL_ERROR "MODELGROW_CUDA=ON, but no working CUDA compiler was found. Put nvcc on PATH, or set the environment variable "
    "CUDACXX or -DCMAKE_CUDA_COMPILER to it; or configure with -DMODELGROW_CUDA=OFF.")
else()
  message(STATUS "modelgrow::cuda: off (no CUDA compiler; set CUDACXX to nvcc to switch it on)")
endif()
