# SPDX-License-Identifier: MIT
# Makes the target modelgrow::nccl (modelgrow::cuda and NCCL) when NCCL is found, else sets MODELGROW_NCCL_MISSING: beside
# CUDA, in NCCL_ROOT, where the system has libraries, or in the package nvidia-nccl-cu13 of PyPI (MODELGROW_NCCL_PACKAGE).
# Used by the build and by the installed package (find_package(modelgrow COMPONENTS cuda nccl)).
set(MODELGROW_NCCL_MISSING)
set(MODELGROW_NCCL_PACKAGE "$ENV{HOME}/.cache/modelgrow/nccl/nvidia/nccl" CACHE PATH "Where the folder nvidia/nccl of nvidia-nccl-cu13 is")
find_path(MODELGROW_NCCL_INCLUDE nccl.h HINTS ${NCCL_ROOT} ${CUDAToolkit_INCLUDE_DIRS} ${MODELGROW_NCCL_PACKAGE} PATH_SUFFIXES include)
find_library(MODELGROW_NCCL_LIBRARY NAMES nccl libnccl.so.2 HINTS ${NCCL_ROOT} ${CUDAToolkit_LIBRARY_DIR} ${MODELGROW_NCCL_PACKAGE} PATH_SUFFIXES lib)
mark_as_advanced(MODELGROW_NCCL_INCLUDE MODELGROW_NCCL_LIBRARY)
if(MODELGROW_NCCL_INCLUDE)
  file(STRINGS ${MODELGROW_NCCL_INCLUDE}/nccl.h MODELGROW_NCCL_VERSION REGEX "#define NCCL_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE "[^0-9;]" "" MODELGROW_NCCL_VERSION "${MODELGROW_NCCL_VERSION}")
  string(REPLACE ";" "." MODELGROW_NCCL_VERSION "${MODELGROW_NCCL_VERSION}")
endif()
if(NOT TARGET modelgrow::cuda)
  set(MODELGROW_NCCL_MISSING "modelgrow::cuda")
elseif(NOT MODELGROW_NCCL_INCLUDE OR NOT MODELGROW_NCCL_LIBRARY OR MODELGROW_NCCL_VERSION VERSION_LESS 2.18)
  set(MODELGROW_NCCL_MISSING "NCCL 2.18 or later")
elseif(NOT TARGET modelgrow::nccl)
  add_library(modelgrow_nccl INTERFACE)
  add_library(modelgrow::nccl ALIAS modelgrow_nccl)
  target_include_directories(modelgrow_nccl SYSTEM INTERFACE ${MODELGROW_NCCL_INCLUDE})
  target_link_libraries(modelgrow_nccl INTERFACE modelgrow::cuda ${MODELGROW_NCCL_LIBRARY})
endif()
