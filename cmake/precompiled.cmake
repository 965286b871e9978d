# Headers that many files of a target include and that take long to read, compiled once for the target. A file still
# includes what it uses (tests/scripts/includes_test.py); -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON builds without them.
#   precipice_precompile(<target> <header>...)
# Only for files that include them anyway: what is read of a precompiled header is instantiated in each file.
set(PRECIPICE_ATEN_HEADERS <ATen/core/Tensor.h> <ATen/Parallel.h> <ATen/core/grad_mode.h> <ATen/ops/empty.h>)
function(precipice_precompile target)
  target_precompile_headers(${target} PRIVATE ${ARGN})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # GCC forgets of what it compiled before that it is the system's, and then warns in vain of its own std::string, and of
    # the vector<bool> in libtorch's autograd functions.
    target_compile_options(${target} PRIVATE -Wno-array-bounds -Wno-stringop-overflow)
  endif()
endfunction()
