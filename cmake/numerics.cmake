# What bit-exactness needs, in one place: no contraction into FMA, no fast-math, on every target.
add_library(precipice_numerics INTERFACE)
target_compile_options(precipice_numerics INTERFACE -ffp-contract=off -fno-fast-math)
target_include_directories(precipice_numerics INTERFACE "${PROJECT_SOURCE_DIR}")
