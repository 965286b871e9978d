# libprecipice_cuda_on_cpu.so, for tests: the .cu files of libprecipice_cuda.so, compiled by the C++ compiler against a CUDA
# run-time library that is the CPU (tests/support/cuda_on_cpu). Needs neither nvcc nor a GPU.
file(GLOB _on_cpu CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/support/cuda_on_cpu/*.cpp")
add_library(precipice_cuda_on_cpu SHARED ${_on_cpu} "${PROJECT_SOURCE_DIR}/precision/base/check.cpp")
target_link_libraries(precipice_cuda_on_cpu PRIVATE precipice_numerics precipice_warnings fmt::fmt-header-only)
target_include_directories(precipice_cuda_on_cpu BEFORE PRIVATE "${PROJECT_SOURCE_DIR}/tests/support/cuda_on_cpu")
# Stacks are exchanged, which the address sanitizer does not follow: whatever the preset, this library has its own checks.
target_compile_options(precipice_cuda_on_cpu PRIVATE -fno-sanitize=all)
set_target_properties(precipice_cuda_on_cpu PROPERTIES
  CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON SKIP_BUILD_RPATH ON)
# Every load and store calls access_hooks.cpp, which stands in the place of the thread sanitizer's library. -O1: nothing is
# made into vectors, and a kernel's loads and stores are those of its source.
set_source_files_properties("${PROJECT_SOURCE_DIR}/tests/support/cuda_on_cpu/kernels.cpp" PROPERTIES
  COMPILE_OPTIONS "-O1;-fsanitize=thread")
