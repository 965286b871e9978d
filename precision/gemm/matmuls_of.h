// SPDX-License-Identifier: Apache-2.0
// What products may use (MatmulCpu) on the device of a run or of a tensor, where that is not this CPU: which operands are
// quantized as bf16 must not depend on the processor beside a GPU.
#pragma once

#include <ATen/core/Tensor.h>

#include "precision/base/device_kind.h"
#include "precision/gemm/multiplier.h"

namespace precipice {

// Of a GPU of compute capability 8.0 or later: bf16 instructions, and nothing that multiplies matrix by matrix.
inline constexpr MatmulCpu kGpuMatmuls{true, true, false, false};

// Where a run of this device multiplies.
inline const MatmulCpu& matmuls_on(DeviceKind device) {
  return device == DeviceKind::Cpu ? matmul_cpu() : kGpuMatmuls;
}

// On x's device: this CPU's, unless it was said otherwise.
const MatmulCpu& matmuls_of(const at::Tensor& x);
// From now on these, which stay, are those of tensors on this kind of device. Before any product there.
void set_matmuls(c10::DeviceType device, const MatmulCpu& matmuls);

}  // namespace precipice
