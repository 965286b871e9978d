// SPDX-License-Identifier: Apache-2.0
#include "tests/cuda/kernels_under_test.h"

#include <dlfcn.h>

#include "tests/support/paths.h"

namespace precipice::test {
namespace {

// Null, and why, where a function of that name cannot be had.
template <class Function>
Function* find(void* handle, const char* name, std::string& reason) {
  auto* const function = reinterpret_cast<Function*>(dlsym(handle, name));
  if (function == nullptr) reason = std::string("no entry point ") + name;
  return function;
}

}  // namespace

std::optional<CudaLibrary> load_cuda_library(const std::string& path, std::string& reason) {
  if (path.empty()) {
    reason = "libprecipice_cuda.so was not built";
    return std::nullopt;
  }
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    reason = dlerror();
    return std::nullopt;
  }
  auto* const open = find<decltype(precipice_open_cuda)>(handle, "precipice_open_cuda", reason);
  auto* const memory = find<decltype(precipice_cuda_memory)>(handle, "precipice_cuda_memory", reason);
  auto* const quantize =
      find<decltype(precipice_cuda_quantize_kernels)>(handle, "precipice_cuda_quantize_kernels", reason);
  auto* const multi_tensor =
      find<decltype(precipice_cuda_multi_tensor_kernels)>(handle, "precipice_cuda_multi_tensor_kernels", reason);
  auto* const rows = find<decltype(precipice_cuda_row_kernels)>(handle, "precipice_cuda_row_kernels", reason);
  auto* const step = find<decltype(precipice_cuda_step_kernels)>(handle, "precipice_cuda_step_kernels", reason);
  auto* const matrix = find<decltype(precipice_cuda_matrix_kernels)>(handle, "precipice_cuda_matrix_kernels", reason);
  if (open == nullptr || memory == nullptr || quantize == nullptr || multi_tensor == nullptr || rows == nullptr ||
      step == nullptr || matrix == nullptr)
    return std::nullopt;
  return CudaLibrary{handle, open, {memory(), quantize(), multi_tensor(), rows(), step(), matrix()}};
}

const OnCpu& on_cpu() {
  static const OnCpu one = [] {
    std::string reason;
    const std::optional<CudaLibrary> library = load_cuda_library(cuda_on_cpu_library(), reason);
    auto* const control =
        !library ? nullptr
                 : find<decltype(cuda_on_cpu::cuda_on_cpu_control)>(library->handle, "cuda_on_cpu_control", reason);
    if (control == nullptr) FAIL(reason);
    return OnCpu{*library, control()};
  }();
  return one;
}

const Kernels& kernels_on_cpu(std::uint64_t order) {
  on_cpu().control->set_order(order);
  return on_cpu().library.kernels;
}

}  // namespace precipice::test
