# Warnings for our own targets only: link PRIVATE.
add_library(precipice_warnings INTERFACE)
target_compile_options(precipice_warnings INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wshadow;-Wnon-virtual-dtor;-Wno-psabi>"
  "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-Wno-psabi>")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False positives of GCC 12 on std::string concatenation (GCC bug 105651).
  target_compile_options(precipice_warnings INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>" "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wno-restrict>")
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # PRECIPICE_INDEPENDENT_LOOP says that a loop may become vectors; Clang warns wherever it does not.
  target_compile_options(precipice_warnings INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-Wno-pass-failed>")
endif()
if(PRECIPICE_WERROR)
  target_compile_options(precipice_warnings INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:-Werror>" "$<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Werror;SHELL:-Werror all-warnings>")
endif()
