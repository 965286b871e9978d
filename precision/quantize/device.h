// SPDX-License-Identifier: Apache-2.0
// The seam to accelerators: which machine (machine.h) works on a tensor, and what a tensor is to code that reads it on
// the host. CUDA code lives in a library of its own, libprecipice_cuda.so beside the program, which is opened only when
// a run asks for `device = "cuda"`: a CPU run never pays for it. train/run/opened_device.cpp makes a machine of it.
#pragma once

#include <ATen/core/Tensor.h>

#include "precision/base/device_kind.h"
#include "precision/quantize/machine.h"

namespace precipice {

// Makes a device ready: nothing for the CPU; for Cuda opens the library. Throws ConfigError when it is not there, does
// not open or finds no GPU that it can use, saying what is needed.
void open_device(DeviceKind device);

// Of the device that x lies on. A tensor of a device without a machine is a broken contract.
const Machine& machine_of(const at::Tensor& x);
// From now on `machine`, which stays, works on tensors of this kind of device. Before any tensor of it is used.
void set_machine(c10::DeviceType device, const Machine& machine);

// For a thread beside others that train too, each its own model: from now on autograd walks backward in it, where on a device
// one thread of libtorch's would do so for all, and on a device it queues on a stream of its own, as long as it lives.
void set_up_thread(c10::Device device);

// x itself where it is host memory, else a copy that is.
inline at::Tensor on_host(const at::Tensor& x) {
  return x.defined() && !x.is_cpu() ? x.cpu() : x;
}

}  // namespace precipice
