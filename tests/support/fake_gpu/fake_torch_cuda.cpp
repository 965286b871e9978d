// SPDX-License-Identifier: Apache-2.0
// A libprecipice_torch_cuda.so without libtorch_cuda, for tests of the doors to a GPU: it tells ATen of hooks, as libtorch_cuda
// does when it is opened, and has no device.
#include <c10/core/DeviceType.h>
#include <torch/headeronly/version.h>

#include "precision/quantize/torch_cuda.h"
#include "tests/support/fake_gpu/cuda_hooks.h"

namespace {

void version(int& major, int& minor, int& patch) {
  major = 13, minor = 1, patch = 0;
}
constexpr precipice::TorchCuda kFake{.torch_version = TORCH_VERSION,
                                     .device_type = static_cast<int>(c10::DeviceType::CUDA),
                                     .cublas_version = version,
                                     .current_stream = nullptr,
                                     .memory = nullptr,
                                     .synchronize = nullptr,
                                     .multiply = nullptr,
                                     .graphs = nullptr};

}  // namespace

const precipice::TorchCuda* precipice_torch_cuda() {
  return &kFake;
}
