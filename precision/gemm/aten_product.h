// SPDX-License-Identifier: Apache-2.0
// The product of a machine (precision/quantize/machine.h) by ATen, for devices whose matrix library libtorch knows, which is
// cuBLAS on a GPU: y = scale (a b^T) + bias, bf16 x bf16 -> fp32 (at::mm and at::bmm with out_dtype) or fp32 x fp32; or
// bf16 x bf16 -> bf16 where that is asked for, each sum rounded once.
// Nothing waits: a scale that follows from data is multiplied where it lies. The order of sums is the library's. Zeros that
// `causal` knows of are multiplied as the others, and what it does not ask for is made. Free of CUDA.
#pragma once

#include <c10/core/Device.h>

#include "precision/quantize/machine.h"

namespace precipice {

// The product of arrays in the memory of `device`, queued where libtorch queues this thread's work there. `may_need_fp32` and
// quanta are not asked about: tensor cores take subnormal numbers as they are (Fasi, Higham, Mikaitis and Pranesh, "Numerical
// behavior of NVIDIA tensor cores", PeerJ Computer Science 7:e330, 2021, section 3).
void multiply_by_aten(const ProductCall& call, c10::Device device);

}  // namespace precipice
