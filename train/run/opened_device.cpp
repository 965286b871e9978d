// SPDX-License-Identifier: Apache-2.0
#include "train/run/opened_device.h"

#include <fmt/format.h>

#include "precision/gemm/matmuls_of.h"
#include "precision/quantize/open_cuda.h"
#include "train/run/provenance.h"

namespace precipice {
namespace {

DeviceFields fields_of(const OpenedCuda& cuda, const ResolvedRun& run) {
  const CudaDevice& gpu = cuda.gpu;
  return {.device = to_string(run.config.device),
          .gpu_model = gpu.name,
          .driver = fmt::format("{}.{}", gpu.driver / 1000, gpu.driver % 1000 / 10),
          .cublas_version = cuda.cublas,
          .carrier = fmt::format("{} (cuBLAS, sm_{}{})", carriers_of(run.schedule, kGpuMatmuls), gpu.major, gpu.minor)};
}

// The machine of a GPU: its functions on arrays (set_machine) and on the optimizer's state, with multiply_by_aten()
// (precision/gemm/aten_product.h) for its products and kGpuMatmuls (set_matmuls) for who plans them.
TrainingDevice cuda_training_device(const OpenedCuda&) {
  refuse_untrained_device(DeviceKind::Cuda);
  return {};
}

}  // namespace

void refuse_untrained_device(DeviceKind device) {
  if (device != DeviceKind::Cpu)
    throw ConfigError(
        {"", 0, "device", to_string(device)},
        "this version trains on the CPU: use device = \"cpu\" (the CUDA library has kernels, not training)");
}

OpenedDevice open_training_device(const ResolvedRun& run) {
  if (run.config.device == DeviceKind::Cpu) return {};
  const OpenedCuda& cuda = open_cuda();
  return {cuda_training_device(cuda), fields_of(cuda, run)};
}

}  // namespace precipice
