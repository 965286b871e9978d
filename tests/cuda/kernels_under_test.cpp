// SPDX-License-Identifier: Apache-2.0
#include "tests/cuda/kernels_under_test.h"

#include "precision/base/check.h"
#include "tests/support/paths.h"

namespace precipice::test {

std::optional<OpenLibrary> load_cuda_library(const std::string& path, std::string& reason) {
  if (path.empty()) {
    reason = "libprecipice_cuda.so was not built";
    return std::nullopt;
  }
  const std::optional<CudaLibrary> cuda = open_cuda_library(path, reason);
  if (!cuda) return std::nullopt;
  const auto multi_tensor = cuda_entry<decltype(precipice_cuda_multi_tensor_kernels)>(
      cuda->handle, "precipice_cuda_multi_tensor_kernels", reason);
  if (multi_tensor == nullptr) return std::nullopt;
  return OpenLibrary{
      *cuda, {cuda->memory, cuda->quantize, multi_tensor(), cuda->rows, cuda->step, cuda->matrix, cuda->attention}};
}

const OnCpu& on_cpu() {
  static const OnCpu one = [] {
    std::string reason;
    const std::optional<OpenLibrary> library = load_cuda_library(cuda_on_cpu_library(), reason);
    auto* const control = !library ? nullptr
                                   : cuda_entry<decltype(cuda_on_cpu::cuda_on_cpu_control)>(
                                         library->cuda.handle, "cuda_on_cpu_control", reason);
    if (control == nullptr) throw Error(reason);
    return OnCpu{*library, control()};
  }();
  return one;
}

const Kernels& kernels_on_cpu(std::uint64_t order) {
  on_cpu().control->set_order(order);
  return on_cpu().library.kernels;
}

}  // namespace precipice::test
