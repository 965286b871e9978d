// SPDX-License-Identifier: Apache-2.0
// A libprecipice_cuda.so that finds what PRECIPICE_FAKE_GPU says, for tests of the doors to a GPU: "free BYTES", a GPU with so
// much free memory; "crash", a driver that takes the process with it; any other text is the reason why there is none.
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>

#include "precision/cuda/cuda_kernels.h"

// How often this process asked.
extern "C" __attribute__((visibility("default"))) int fake_driver_calls;
int fake_driver_calls = 0;

namespace precipice {

const char* precipice_cuda_device(CudaDevice* device) {
  ++fake_driver_calls;
  static std::string said;
  const char* const given = std::getenv("PRECIPICE_FAKE_GPU");
  said = given != nullptr ? given : "nothing was said";
  if (said == "crash") std::raise(SIGSEGV);
  if (!said.starts_with("free ")) return said.c_str();
  const std::string name = "Fake GPU";
  std::copy_n(name.c_str(), name.size() + 1, device->name);
  device->major = 9;
  device->driver = 13000;
  device->free_bytes = std::stoull(said.substr(5));
  device->total_bytes = device->free_bytes + 1000;
  return nullptr;
}

}  // namespace precipice
