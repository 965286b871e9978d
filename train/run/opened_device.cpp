// SPDX-License-Identifier: Apache-2.0
#include "train/run/opened_device.h"

#include <fmt/format.h>

#include <optional>
#include <string>

#include "optim/cuda_optimizer_machine.h"
#include "precision/cuda/find_cuda.h"
#include "precision/gemm/aten_product.h"
#include "precision/gemm/matmuls_of.h"
#include "precision/quantize/cuda_machine.h"
#include "precision/quantize/device.h"
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

// The first of those that are visible.
const c10::Device kGpu(c10::DeviceType::CUDA, 0);

Stream stream_of_libtorch() {
  return open_cuda().torch->current_stream(kGpu.index());
}

void multiply_on_gpu(const ProductCall& call, Stream) {
  multiply_by_aten(call, kGpu);
}

// From here on this process speaks to the driver.
TrainingDevice cuda_training_device() {
  std::string problem;
  const std::optional<CudaLibrary> library = open_cuda_library(cuda_library_path(), problem);
  if (!library)
    throw ConfigError({"", 0, "device", to_string(DeviceKind::Cuda)},
                      fmt::format("{} is of another version of the program, build again: {}", kCudaLibrary, problem));
  set_matmuls(kGpu.type(), kGpuMatmuls);
  set_machine(kGpu.type(), cuda_machine(*library, {stream_of_libtorch, multiply_on_gpu}));
  return {kGpu, &cuda_optimizer_machine(*library, stream_of_libtorch)};
}

}  // namespace

OpenedDevice open_training_device(const ResolvedRun& run) {
  if (run.config.device == DeviceKind::Cpu) return {};
  const OpenedCuda& cuda = open_cuda();
  static const TrainingDevice of_process = cuda_training_device();  // runs in several threads have one
  return {of_process, fields_of(cuda, run)};
}

}  // namespace precipice
