# libprecipice_cuda.so beside the program: the GPU's kernels, where nvcc is found. The program never links it
# (precision/quantize/device.cpp opens it) and it links no libtorch; the CUDA run-time library is inside it.
option(PRECIPICE_CUDA "Build libprecipice_cuda.so where nvcc is found" ON)
if(NOT PRECIPICE_CUDA)
  message(STATUS "libprecipice_cuda.so: not built, PRECIPICE_CUDA is off")
  return()
endif()
include(CheckLanguage)
check_language(CUDA)
file(GLOB _nvcc_of_wheel "${PRECIPICE_TORCH_LIB_DIR}/../../nvidia/cu*/bin/nvcc")
if(NOT CMAKE_CUDA_COMPILER AND _nvcc_of_wheel)
  # That of scripts/setup --cuda, which looks for its libraries in lib64.
  get_filename_component(_nvcc_of_wheel "${_nvcc_of_wheel}" REALPATH)
  get_filename_component(_wheel_lib "${_nvcc_of_wheel}/../../lib" ABSOLUTE)
  unset(CMAKE_CUDA_COMPILER)
  set(CMAKE_CUDA_COMPILER "${_nvcc_of_wheel}" CACHE FILEPATH "" FORCE)
  string(APPEND CMAKE_CUDA_FLAGS " -L${_wheel_lib}")
endif()
if(NOT CMAKE_CUDA_COMPILER)
  message(STATUS "libprecipice_cuda.so: not built, no nvcc was found; everything else is")
  return()
endif()

# Machine code for these, and PTX of the newest for GPUs to come.
set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 100)
enable_language(CUDA)
if(NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")  # which CMake before 3.26 does not know of nvcc
endif()
message(STATUS "libprecipice_cuda.so: built with nvcc ${CMAKE_CUDA_COMPILER_VERSION} for sm_80, sm_90, sm_100")

add_library(precipice_cuda SHARED
  precision/base/check.cpp precision/cuda/device_cuda.cu precision/cuda/quantize_cuda.cu precision/cuda/row_kernels_cuda.cu
  precision/cuda/step_kernels_cuda.cu precision/cuda/matrix_kernels_cuda.cu
  precision/cuda/attention_cuda.cu optim/multi_tensor/multi_tensor_cuda.cu)
target_include_directories(precipice_cuda PRIVATE "${PROJECT_SOURCE_DIR}")
target_link_libraries(precipice_cuda PRIVATE precipice_numerics precipice_warnings fmt::fmt-header-only)
# round_to_format.h asks constexpr host functions of its template arguments: known when it is compiled.
target_compile_options(precipice_cuda PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr>")
target_link_options(precipice_cuda PRIVATE LINKER:--exclude-libs,ALL)
set_target_properties(precipice_cuda PROPERTIES
  CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON CUDA_EXTENSIONS OFF CUDA_RUNTIME_LIBRARY Static
  CXX_VISIBILITY_PRESET hidden CUDA_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON
  SKIP_BUILD_RPATH ON LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")
