# libprecipice_torch_cuda.so beside the program: what the program asks of libtorch's CUDA side, which it never links
# (precision/quantize/open_torch_cuda.cpp opens it). It needs neither nvcc nor the wheels of scripts/setup --cuda, which are
# looked for when it is opened: libtorch_cuda.so and CUDA's headers lie in every CUDA wheel of torch and its run-time library.
file(GLOB _cuda_headers "${PRECIPICE_TORCH_LIB_DIR}/../../nvidia/*/include/cuda_runtime_api.h"
  "${CUDAToolkit_INCLUDE_DIRS}/cuda_runtime_api.h" "/usr/local/cuda/include/cuda_runtime_api.h")
if(NOT EXISTS "${PRECIPICE_TORCH_LIB_DIR}/libtorch_cuda.so" OR NOT _cuda_headers)
  message(STATUS "libprecipice_torch_cuda.so: not built, this libtorch is for CPUs alone")
  return()
endif()
list(GET _cuda_headers 0 _cuda_header)
get_filename_component(_cuda_include "${_cuda_header}" DIRECTORY)

add_library(precipice_torch_cuda SHARED precision/quantize/torch_cuda.cpp)
target_include_directories(precipice_torch_cuda PRIVATE "${PROJECT_SOURCE_DIR}")
target_include_directories(precipice_torch_cuda SYSTEM PRIVATE "${_cuda_include}")
target_link_libraries(precipice_torch_cuda PRIVATE precipice_numerics precipice_warnings precipice::torch_cpu
  "${PRECIPICE_TORCH_LIB_DIR}/libtorch_cuda.so" "${PRECIPICE_TORCH_LIB_DIR}/libc10_cuda.so")
# It is there to bring libtorch_cuda, of which it calls nothing; and that may lack its own libraries when it is linked.
target_link_options(precipice_torch_cuda PRIVATE LINKER:--no-as-needed LINKER:--allow-shlib-undefined)
set_target_properties(precipice_torch_cuda PROPERTIES
  CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}"
  INSTALL_RPATH "${CMAKE_BUILD_RPATH}")
