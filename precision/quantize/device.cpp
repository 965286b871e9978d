// SPDX-License-Identifier: Apache-2.0
#include "precision/quantize/device.h"

#include "precision/base/check.h"
#include "precision/cuda/find_cuda.h"

namespace precipice {

void open_device(DeviceKind device) {
  if (device == DeviceKind::Cpu) return;
  const CudaFinding found = find_cuda(cuda_library_path());
  if (!found.usable())
    throw ConfigError({"", 0, "device", to_string(device)},
                      found.problem + "; this version trains on the CPU: use device = \"cpu\"");
}

void check_device(const at::Tensor& x) {
  PRECIPICE_CHECK(x.is_cpu(), "no kernels for device ", x.device().str());
}

}  // namespace precipice
