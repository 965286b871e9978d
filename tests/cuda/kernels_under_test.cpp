// SPDX-License-Identifier: Apache-2.0
#include "tests/cuda/kernels_under_test.h"

#include <dlfcn.h>

#include "optim/multi_tensor/multi_tensor_calls.h"
#include "precision/cuda/quantize_calls.h"
#include "tests/support/emulated_machine.h"
#include "tests/support/paths.h"

namespace precipice::test {

const Kernels& emulated_kernels() {
  static constexpr CudaQuantizeKernels kQuantize = QuantizeCalls<EmulatedMachine>::table();
  static constexpr CudaMultiTensorKernels kMultiTensor = MultiTensorCalls<EmulatedMachine>::table();
  static const Kernels kernels = {&kHostMemory, &kQuantize, &kMultiTensor};
  return kernels;
}

std::optional<CudaLibrary> load_cuda_library(std::string& reason) {
  const std::string path = cuda_library();
  if (path.empty()) {
    reason = "libprecipice_cuda.so was not built";
    return std::nullopt;
  }
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    reason = dlerror();
    return std::nullopt;
  }
  const auto find = [&]<class Function>(const char* name, Function*& function) {
    function = reinterpret_cast<Function*>(dlsym(handle, name));
    if (function == nullptr) reason = std::string("no entry point ") + name;
    return function != nullptr;
  };
  decltype(precipice_open_cuda)* open = nullptr;
  decltype(precipice_cuda_memory)* memory = nullptr;
  decltype(precipice_cuda_quantize_kernels)* quantize = nullptr;
  decltype(precipice_cuda_multi_tensor_kernels)* multi_tensor = nullptr;
  if (!find("precipice_open_cuda", open) || !find("precipice_cuda_memory", memory) ||
      !find("precipice_cuda_quantize_kernels", quantize) || !find("precipice_cuda_multi_tensor_kernels", multi_tensor))
    return std::nullopt;
  return CudaLibrary{open, {memory(), quantize(), multi_tensor()}};
}

}  // namespace precipice::test
