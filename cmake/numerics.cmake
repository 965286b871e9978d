# What bit-exactness needs, in one place: no contraction into FMA, no fast-math, on every target; on the GPU also
# subnormals, and division and square root rounded as IEEE 754 says.
add_library(precipice_numerics INTERFACE)
target_compile_options(precipice_numerics INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off;-fno-fast-math>"
  "$<$<COMPILE_LANGUAGE:CUDA>:--fmad=false;--ftz=false;--prec-div=true;--prec-sqrt=true;-Xcompiler=-ffp-contract=off>")
target_include_directories(precipice_numerics INTERFACE
  "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>" "$<INSTALL_INTERFACE:include/precipice>")
