// SPDX-License-Identifier: Apache-2.0
// Matrices with scales and emulated accumulators of the test device by the CUDA library's kernels.
#pragma once

#include "precision/quantize/machine.h"

namespace precipice::test_device {

// scale_sums, scale_numbers, range_of_scales, divide_outer_scale, gemm_emulated.
void use_matrix_kernels(Machine& machine);

// Machine::quantize, but of an empty matrix.
void quantize_matrix_by_kernels(QuantizeTask& task, const float* in, const RandomKey& key, const float* amax,
                                const MatrixOutputs& outputs, MatrixNumbers* numbers);

}  // namespace precipice::test_device
