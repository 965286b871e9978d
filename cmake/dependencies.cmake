# Everything that is not libtorch comes from the distribution's packages (scripts/setup installs them).
find_package(Threads REQUIRED)
# Header-only: the torch wheel brings newer fmt headers, which win over the distribution's in files that include torch.
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(CLI11 REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
set(HDF5_PREFER_PARALLEL OFF)
# Headers only: quantiles and tails of the distributions in metrics/statistics.
find_path(BOOST_MATH_INCLUDE_DIR boost/math/distributions/non_central_t.hpp REQUIRED)
find_package(HDF5 REQUIRED COMPONENTS C HL)
# The matmuls. Not by the package's own file, which wants OpenCL's headers.
find_path(ONEDNN_INCLUDE_DIR oneapi/dnnl/dnnl.hpp PATHS /usr/include NO_DEFAULT_PATH REQUIRED)
find_library(ONEDNN_LIBRARY dnnl REQUIRED)
add_library(precipice_onednn INTERFACE)
target_include_directories(precipice_onednn SYSTEM INTERFACE "${ONEDNN_INCLUDE_DIR}")
target_link_libraries(precipice_onednn INTERFACE "${ONEDNN_LIBRARY}")
if(PRECIPICE_TESTS)
  find_package(Catch2 REQUIRED)
  find_package(PkgConfig REQUIRED)
  pkg_check_modules(MPFR REQUIRED IMPORTED_TARGET mpfr)
  find_path(RANDOM123_INCLUDE_DIR Random123/philox.h REQUIRED)
endif()
