# Imported targets for libtorch without its own package file, which refuses to load where no CUDA toolkit is installed.
#   precipice::torch_cpu   libtorch_cpu + libc10 (never libtorch_cuda: a CPU run must not pay for it)
# Source: PRECIPICE_TORCH_ROOT, either the "torch" folder of an installed wheel or an unpacked libtorch; by default the
# wheel that scripts/setup puts into .venv.
set(PRECIPICE_TORCH_ROOT "" CACHE PATH "torch folder of a wheel, or an unpacked libtorch")
set(_torch_root "${PRECIPICE_TORCH_ROOT}")
if(NOT _torch_root)
  file(GLOB _torch_candidates "${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch")
  list(LENGTH _torch_candidates _torch_count)
  if(_torch_count EQUAL 0)
    message(FATAL_ERROR "libtorch not found: run scripts/setup, or pass -DPRECIPICE_TORCH_ROOT=<torch folder>")
  endif()
  list(GET _torch_candidates 0 _torch_root)
endif()
# ATen's parallel loops are templates: without OpenMP they compile to loops of one thread, and say nothing.
find_package(OpenMP REQUIRED COMPONENTS CXX)
foreach(_needed lib/libtorch_cpu.so lib/libc10.so include/ATen/core/Tensor.h)
  if(NOT EXISTS "${_torch_root}/${_needed}")
    message(FATAL_ERROR "PRECIPICE_TORCH_ROOT=${_torch_root} has no ${_needed}")
  endif()
endforeach()

add_library(precipice_c10 SHARED IMPORTED)
set_target_properties(precipice_c10 PROPERTIES IMPORTED_LOCATION "${_torch_root}/lib/libc10.so")
add_library(precipice_torch_cpu SHARED IMPORTED)
set_target_properties(precipice_torch_cpu PROPERTIES IMPORTED_LOCATION "${_torch_root}/lib/libtorch_cpu.so")
target_include_directories(precipice_torch_cpu SYSTEM INTERFACE
  "${_torch_root}/include" "${_torch_root}/include/torch/csrc/api/include")
target_link_libraries(precipice_torch_cpu INTERFACE precipice_c10)
add_library(precipice::torch_cpu ALIAS precipice_torch_cpu)
file(GLOB _torch_version_file "${_torch_root}/version.py")
set(PRECIPICE_TORCH_LIB_DIR "${_torch_root}/lib")
# libtorch_cpu of a CUDA wheel needs libcudart and libcupti at link time; they lie beside torch in site-packages.
file(GLOB _torch_side_libs "${_torch_root}/../nvidia/*/lib")
set(CMAKE_BUILD_RPATH "${PRECIPICE_TORCH_LIB_DIR};${_torch_side_libs}")
foreach(_dir ${_torch_side_libs})
  target_link_options(precipice_torch_cpu INTERFACE "LINKER:-rpath-link,${_dir}")
endforeach()
