// SPDX-License-Identifier: Apache-2.0
#include "precision/quantize/device.h"

#include <array>
#include <cstddef>

#include "precision/base/check.h"
#include "precision/cuda/find_cuda.h"

namespace precipice {
namespace {

// By the kind of device.
using Machines = std::array<const Machine*, c10::COMPILE_TIME_MAX_DEVICE_TYPES>;
Machines& machines() {
  static Machines all = [] {
    Machines of_cpu{};
    of_cpu[static_cast<std::size_t>(c10::DeviceType::CPU)] = &cpu_machine();
    return of_cpu;
  }();
  return all;
}

}  // namespace

void open_device(DeviceKind device) {
  if (device == DeviceKind::Cpu) return;
  const CudaFinding found = find_cuda(cuda_library_path());
  if (!found.usable())
    throw ConfigError({"", 0, "device", to_string(device)},
                      found.problem + "; this version trains on the CPU: use device = \"cpu\"");
}

const Machine& machine_of(const at::Tensor& x) {
  const Machine* const machine = machines()[static_cast<std::size_t>(x.device().type())];
  PRECIPICE_CHECK(machine != nullptr, "no kernels for device ", x.device().str());
  return *machine;
}

void set_machine(c10::DeviceType device, const Machine& machine) {
  machines()[static_cast<std::size_t>(device)] = &machine;
}

}  // namespace precipice
