// SPDX-License-Identifier: Apache-2.0
#include "precision/cuda/find_cuda.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "precision/cuda/cuda_kernels.h"

namespace precipice {
namespace {

constexpr const char* kCudaLibrary = "libprecipice_cuda.so";
constexpr const char* kEntryPoint = "precipice_cuda_device";
constexpr double kGiB = 1 << 30;

std::string describe(const CudaDevice& device) {
  return fmt::format("{}, compute capability {}.{}, {:.1f} of {:.1f} GiB free, driver for CUDA {}.{}", device.name,
                     device.major, device.minor, static_cast<double>(device.free_bytes) / kGiB,
                     static_cast<double>(device.total_bytes) / kGiB, device.driver / 1000, device.driver % 1000 / 10);
}

}  // namespace

std::string cuda_library_path() {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path() / kCudaLibrary;
}

CudaFinding find_cuda(const std::string& library) {
  std::error_code ignored;
  if (!std::filesystem::exists(library, ignored))
    return {"", fmt::format("this build has no {} beside the program: nvcc was not found when it was built (README)",
                            kCudaLibrary)};
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) return {"", fmt::format("cannot open the CUDA library: {}", dlerror())};
  const auto device_of = reinterpret_cast<decltype(precipice_cuda_device)*>(dlsym(handle, kEntryPoint));
  if (device_of == nullptr) return {"", fmt::format("{} is of another version of the program", kCudaLibrary)};
  CudaDevice device;
  if (const char* problem = device_of(&device)) return {"", fmt::format("no GPU can be used: {}", problem)};
  return {describe(device), ""};
}

}  // namespace precipice
