// SPDX-License-Identifier: Apache-2.0
#include "precision/quantize/open_torch_cuda.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <torch/headeronly/version.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "precision/cuda/find_cuda.h"

namespace precipice {
namespace {

constexpr const char* kTorchCudaEntryPoint = "precipice_torch_cuda";
constexpr const char* kWorkspace = "CUBLAS_WORKSPACE_CONFIG";

TorchCudaFinding not_opened(const std::string& problem) {
  TorchCudaFinding finding;
  finding.problem = problem;
  return finding;
}

// One of the two sizes with which cuBLAS promises equal bits: the user's, or eight workspaces of 4 MiB.
void fix_workspace() {
  const char* const given = std::getenv(kWorkspace);
  const std::string_view size = given != nullptr ? given : "";
  if (size != ":4096:8" && size != ":16:8") setenv(kWorkspace, ":4096:8", 1);
}

void fix_products() {
  at::Context& context = at::globalContext();
  context.setAllowTF32CuBLAS(false);
  context.setAllowBF16ReductionCuBLAS(false);
  context.setAllowFP16ReductionCuBLAS(false);
  context.setBlasPreferredBackend(at::BlasBackend::Cublas);
}

std::string cublas_of(const TorchCuda& torch) {
  int major = 0, minor = 0, patch = 0;
  torch.cublas_version(major, minor, patch);
  return fmt::format("{}.{}.{}", major, minor, patch);
}

}  // namespace

std::string torch_cuda_library_path() {
  return beside_program(kTorchCudaLibrary);
}

TorchCudaFinding open_torch_cuda(const std::string& library) {
  std::error_code ignored;
  if (!std::filesystem::exists(library, ignored))
    return not_opened(
        fmt::format("this build has no {} beside the program: the libtorch that it was built with has no "
                    "libtorch_cuda.so (docs/CUDA.md)",
                    kTorchCudaLibrary));
  fix_workspace();
  void* const handle = dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (handle == nullptr)
    return not_opened(fmt::format("cannot open libtorch_cuda.so ({}): run scripts/setup --cuda", dlerror()));
  const auto table = reinterpret_cast<decltype(precipice_torch_cuda)*>(dlsym(handle, kTorchCudaEntryPoint));
  if (table == nullptr || std::string_view(table()->torch_version) != TORCH_VERSION)
    return not_opened(fmt::format("{} is of another version of the program: run scripts/build", kTorchCudaLibrary));
  if (!at::detail::getCUDAHooks().hasCUDART())
    return not_opened(
        "libtorch_cuda.so was opened too late: this process has trained before, and libtorch keeps to the devices that "
        "it "
        "knew then; a new process can use the GPU");
  fix_products();
  return {table(), cublas_of(*table()), ""};
}

}  // namespace precipice
