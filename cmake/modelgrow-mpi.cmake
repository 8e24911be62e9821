# SPDX-License-Identifier: MIT
# Makes the target modelgrow::mpi when an MPI for C++ is found, else sets MODELGROW_MPI_MISSING.
# Used by the build and by the installed package (find_package(modelgrow COMPONENTS mpi)).
set(MODELGROW_MPI_MISSING)
set(MPI_CXX_SKIP_MPICXX ON)  # the bindings that MPI 3 took out of C++
set(MPI_DETERMINE_LIBRARY_VERSION ON)
find_package(MPI QUIET COMPONENTS CXX)
if(NOT MPI_CXX_FOUND)
  set(MODELGROW_MPI_MISSING "MPI for C++")
elseif(NOT TARGET modelgrow::mpi)
  add_library(modelgrow_mpi INTERFACE)
  add_library(modelgrow::mpi ALIAS modelgrow_mpi)
  target_link_libraries(modelgrow_mpi INTERFACE modelgrow::modelgrow MPI::MPI_CXX)
  string(REGEX MATCH "^[^,\n]*" MODELGROW_MPI_LIBRARY "${MPI_CXX_LIBRARY_VERSION_STRING}")
endif()
