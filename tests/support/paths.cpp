// SPDX-License-Identifier: Apache-2.0
#include "tests/support/paths.h"

namespace precipice {

std::string source_directory() {
  return PRECIPICE_SOURCE_DIR;
}

std::string program_path() {
  return PRECIPICE_BINARY;
}

std::string cuda_library() {
  return PRECIPICE_CUDA_LIBRARY;
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

std::string flushing_library() {
  return PRECIPICE_FLUSHING_LIBRARY;
}

}  // namespace precipice
