// SPDX-License-Identifier: Apache-2.0
// The .cu files of libprecipice_cuda.so as they are, for the CPU, and the examples for the tests of the run-time library.
// Compiled with calls at every load and store (access_hooks.cpp).
#include "optim/multi_tensor/multi_tensor_cuda.cu"
#include "precision/cuda/attention_cuda.cu"
#include "precision/cuda/device_cuda.cu"
#include "precision/cuda/matrix_kernels_cuda.cu"
#include "precision/cuda/quantize_cuda.cu"
#include "precision/cuda/row_kernels_cuda.cu"
#include "precision/cuda/step_kernels_cuda.cu"
#include "tests/support/cuda_on_cpu/example_kernels.cu"
