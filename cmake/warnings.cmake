# Warnings for our own targets only: link PRIVATE.
add_library(precipice_warnings INTERFACE)
target_compile_options(precipice_warnings INTERFACE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-psabi)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False positives of GCC 12 on std::string concatenation (GCC bug 105651).
  target_compile_options(precipice_warnings INTERFACE -Wno-restrict)
endif()
if(PRECIPICE_WERROR)
  target_compile_options(precipice_warnings INTERFACE -Werror)
endif()
