// SPDX-License-Identifier: Apache-2.0
#include "precision/quantize/device.h"

#include <dlfcn.h>

#include <filesystem>

#include "precision/base/check.h"

namespace precipice {
namespace {

constexpr const char* kCudaLibrary = "libprecipice_cuda.so";
constexpr const char* kEntryPoint =
    "precipice_open_cuda";  // extern "C" const char* (): null, or why no GPU can be used
constexpr const char* kAdvice = "; this version trains on the CPU: use device = \"cpu\"";

}  // namespace

void open_device(DeviceKind device) {
  if (device == DeviceKind::Cpu) return;
  const ConfigError::Where where{"", 0, "device", to_string(device)};
  std::error_code ignored;
  const auto library = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path() / kCudaLibrary;
  if (!std::filesystem::exists(library, ignored))
    throw ConfigError(where, std::string("this build has no ") + kCudaLibrary + " beside the program" + kAdvice);
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (!handle) throw ConfigError(where, std::string("cannot open the CUDA library: ") + dlerror() + kAdvice);
  const auto open = reinterpret_cast<const char* (*)()>(dlsym(handle, kEntryPoint));
  if (!open) throw ConfigError(where, std::string(kCudaLibrary) + " is of another version of the program");
  if (const char* problem = open()) throw ConfigError(where, std::string("no GPU can be used: ") + problem + kAdvice);
}

void check_device(const at::Tensor& x) {
  PRECIPICE_CHECK(x.is_cpu(), "no kernels for device ", x.device().str());
}

}  // namespace precipice
