// SPDX-License-Identifier: Apache-2.0
#include "tests/support/paths.h"

#include <filesystem>
#include <system_error>

namespace precipice {
namespace {

// Beside this program, where it was packed for another machine (scripts/pack_for_gpu); else where it was built.
std::string beside_or_built(const std::string& name, const std::string& built) {
  std::error_code error;
  const auto beside = std::filesystem::read_symlink("/proc/self/exe", error).parent_path() / name;
  return std::filesystem::exists(beside, error) ? beside.string() : built;
}

}  // namespace

std::string source_directory() {
  return PRECIPICE_SOURCE_DIR;
}

std::string program_path() {
  return PRECIPICE_BINARY;
}

std::string cuda_library() {
  return beside_or_built("libprecipice_cuda.so", PRECIPICE_CUDA_LIBRARY);
}

std::string cuda_on_cpu_library() {
  return PRECIPICE_CUDA_ON_CPU_LIBRARY;
}

std::string fake_cuda_library() {
  return PRECIPICE_FAKE_CUDA_LIBRARY;
}

std::string fake_torch_cuda_library() {
  return PRECIPICE_FAKE_TORCH_CUDA_LIBRARY;
}

std::string stand_in_torch_cuda_library() {
  return PRECIPICE_STAND_IN_TORCH_CUDA_LIBRARY;
}

std::string flushing_library() {
  return PRECIPICE_FLUSHING_LIBRARY;
}

}  // namespace precipice
