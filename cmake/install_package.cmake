# `cmake --install build/release --prefix DIR`: the program, and a package with two targets for other programs:
#   precipice::rounding   formats, rounding, scaling and emulated sums; free of libtorch
#   precipice::recipes    recipes and all that a run is made of; needs the libtorch that this was built with
# tests/package is such a program.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/precipice")

set_target_properties(precipice_rounding PROPERTIES EXPORT_NAME rounding)
set_target_properties(precipice_train PROPERTIES EXPORT_NAME recipes)
install(TARGETS precipice_numerics precipice_warnings precipice_rounding precipice_policy precipice_recipe_table
  precipice_carrier precipice_precision precipice_optim precipice_statistics precipice_metrics precipice_train
  EXPORT precipice ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(EXPORT precipice NAMESPACE precipice:: FILE precipice-targets.cmake DESTINATION "${_package_dir}")
install(DIRECTORY precision optim metrics train DESTINATION include/precipice FILES_MATCHING PATTERN "*.h")

configure_package_config_file(cmake/precipice-config.cmake.in "${PROJECT_BINARY_DIR}/generated/precipice-config.cmake"
  INSTALL_DESTINATION "${_package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/generated/precipice-config-version.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/generated/precipice-config.cmake"
  "${PROJECT_BINARY_DIR}/generated/precipice-config-version.cmake" cmake/dependencies.cmake cmake/torch_libraries.cmake
  DESTINATION "${_package_dir}")

set_target_properties(precipice PROPERTIES INSTALL_RPATH "${CMAKE_BUILD_RPATH}")
install(TARGETS precipice RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
# Beside the program, which looks for them there.
foreach(_library precipice_cuda precipice_torch_cuda)
  if(TARGET ${_library})
    install(TARGETS ${_library} LIBRARY DESTINATION "${CMAKE_INSTALL_BINDIR}")
  endif()
endforeach()
