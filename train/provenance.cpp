// SPDX-License-Identifier: Apache-2.0
#include "train/provenance.h"

#include <torch/headeronly/version.h>

#include <fstream>

#include "metrics/hdf5_version.h"
#include "precipice_version.h"
#include "precision/quantize_kernels.h"

namespace precipice {

std::string program_version() {
  return PRECIPICE_VERSION;
}
std::string program_commit() {
  return PRECIPICE_COMMIT;
}

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name") && line.find(": ") != std::string::npos) return line.substr(line.find(": ") + 2);
  return "unknown";
}

std::map<std::string, std::string> provenance() {
  return {{"program_version", program_version()},
          {"commit", program_commit()},
          {"compiler", __VERSION__},
          {"libtorch_version", TORCH_VERSION},
          {"hdf5_version", hdf5_version()},
          {"cpu_model", cpu_model()},
          {"isa", active_isa()}};
}

}  // namespace precipice
