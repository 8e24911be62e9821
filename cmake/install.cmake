# SPDX-License-Identifier: MIT
# Installs every header and a package for find_package(modelgrow [COMPONENTS media text mpi cuda nccl]).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_DATADIR}/cmake/modelgrow)
install(TARGETS modelgrow EXPORT modelgrow-targets FILE_SET HEADERS)
if(MODELGROW_COMPILED)
  install(TARGETS modelgrow_growth modelgrow_training modelgrow_compiled EXPORT modelgrow-targets)
endif()
install(DIRECTORY include/modelgrow DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp" PATTERN "*.cuh")
install(EXPORT modelgrow-targets NAMESPACE modelgrow:: DESTINATION ${package})
configure_package_config_file(cmake/modelgrow-config.cmake.in modelgrow-config.cmake INSTALL_DESTINATION ${package})
write_basic_package_version_file(modelgrow-config-version.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/modelgrow-config.cmake ${PROJECT_BINARY_DIR}/modelgrow-config-version.cmake
  cmake/modelgrow-tuning.cmake cmake/modelgrow-media.cmake cmake/modelgrow-text.cmake
  cmake/modelgrow-mpi.cmake cmake/modelgrow-cuda.cmake cmake/modelgrow-nccl.cmake DESTINATION ${package})
