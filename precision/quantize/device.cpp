// SPDX-License-Identifier: Apache-2.0
#include "precision/quantize/device.h"

#include <c10/core/AutogradState.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <array>
#include <cstddef>

#include "precision/base/check.h"
#include "precision/cuda/find_cuda.h"
#include "precision/quantize/open_cuda.h"
#include "precision/quantize/open_torch_cuda.h"

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

[[noreturn]] void refuse_cuda(const std::string& problem) {
  throw ConfigError({"", 0, "device", to_string(DeviceKind::Cuda)}, problem + "; device = \"cpu\" trains here");
}

OpenedCuda open_or_refuse() {
  const CudaFinding found = find_cuda(cuda_library_path());
  if (!found.usable()) refuse_cuda(found.problem);
  const TorchCudaFinding opened = open_torch_cuda(torch_cuda_library_path());
  if (!opened.usable()) refuse_cuda(opened.problem);
  return {found.device, found.gpu, opened.torch, opened.cublas};
}

}  // namespace

const OpenedCuda& open_cuda() {
  static const OpenedCuda opened = open_or_refuse();
  return opened;
}

void open_device(DeviceKind device) {
  if (device == DeviceKind::Cuda) open_cuda();
}

const Machine& machine_of(const at::Tensor& x) {
  const Machine* const machine = machines()[static_cast<std::size_t>(x.device().type())];
  PRECIPICE_CHECK(machine != nullptr, "no kernels for device ", x.device().str());
  return *machine;
}

void set_up_thread(c10::Device device) {
  c10::AutogradState::get_tls_state().set_multithreading_enabled(false);
  if (device.is_cpu()) return;
  const c10::impl::VirtualGuardImpl guard(device.type());
  if (guard.getStream(device) == guard.getDefaultStream(device))
    guard.exchangeStream(guard.getStreamFromGlobalPool(device));
}

void set_machine(c10::DeviceType device, const Machine& machine) {
  machines()[static_cast<std::size_t>(device)] = &machine;
}

}  // namespace precipice
