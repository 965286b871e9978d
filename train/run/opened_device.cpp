// SPDX-License-Identifier: Apache-2.0
#include "train/run/opened_device.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <optional>
#include <string>

#include "optim/cuda_optimizer_machine.h"
#include "precision/base/format_bytes.h"
#include "precision/cuda/cuda_library.h"
#include "precision/cuda/find_cuda.h"
#include "precision/gemm/aten_product.h"
#include "precision/gemm/matmuls_of.h"
#include "precision/quantize/cuda_machine.h"
#include "precision/quantize/device.h"
#include "precision/quantize/open_cuda.h"
#include "train/estimates/memory_estimate.h"
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

const TorchCuda& torch_side() {
  return *open_cuda().torch;
}

// The first of those that are visible.
c10::Device gpu() {
  return {static_cast<c10::DeviceType>(torch_side().device_type), 0};
}

Stream stream_of_libtorch() {
  return torch_side().current_stream(gpu().index());
}

void multiply_on_gpu(const ProductCall& call, Stream) {
  multiply_by_aten(call, gpu());
}

void multiply_by_library(const ProductCall& call, Stream stream) {
  torch_side().multiply(call, stream, cpu_machine().multiply);
}

// From here on this process speaks to the driver.
TrainingDevice cuda_training_device() {
  std::string problem;
  const std::optional<CudaLibrary> library = open_cuda_library(cuda_library_path(), problem);
  if (!library)
    throw ConfigError({"", 0, "device", to_string(DeviceKind::Cuda)},
                      fmt::format("{} is of another version of the program, build again: {}", kCudaLibrary, problem));
  const bool by_aten = torch_side().multiply == nullptr;
  if (by_aten) set_matmuls(gpu().type(), kGpuMatmuls);
  set_machine(gpu().type(), cuda_machine(*library, {stream_of_libtorch, by_aten ? multiply_on_gpu : multiply_by_library,
                                                    by_aten, torch_side().graphs}));
  return {gpu(), &cuda_optimizer_machine(*library, stream_of_libtorch)};
}

}  // namespace

OpenedDevice open_training_device(const ResolvedRun& run) {
  if (run.config.device == DeviceKind::Cpu) return {};
  const OpenedCuda& cuda = open_cuda();
  static const TrainingDevice of_process = cuda_training_device();  // runs in several threads have one
  return {of_process, fields_of(cuda, run), static_cast<double>(cuda.gpu.free_bytes)};
}

bool is_out_of_device_memory(const std::exception& error) {
  return dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
         dynamic_cast<const OutOfDeviceMemory*>(&error) != nullptr;
}

std::string out_of_device_memory(const ResolvedRun& run, const OpenedDevice& device) {
  const MemoryEstimate need = estimate_gpu_memory(run);
  return fmt::format(
      "the GPU's memory is used up: the run needs about {}, most in {}, and {} were free before it; smaller "
      "train.batch, model.context or model.width need less, and so do fewer runs at once",
      format_bytes(need.bytes()), need.phase, format_bytes(device.free_bytes));
}

}  // namespace precipice
