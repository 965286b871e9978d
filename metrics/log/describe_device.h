// SPDX-License-Identifier: Apache-2.0
// A device that is not the CPU, for people: in log.txt and `precipice status`.
#pragma once

#include <string>

#include "metrics/log/device_fields.h"

namespace precipice {

// "NVIDIA H200, driver for CUDA 13.0, cuBLAS 13.1.0, products bf16, fp32 (cuBLAS, sm_90)"
inline std::string describe(const DeviceFields& device) {
  return device.gpu_model + ", driver for CUDA " + device.driver + ", cuBLAS " + device.cublas_version + ", products " +
         device.carrier;
}

}  // namespace precipice
