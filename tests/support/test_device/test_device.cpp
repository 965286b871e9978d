// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_device/test_device.h"

#include "optim/cuda_optimizer_machine.h"
#include "precision/quantize/cuda_machine.h"
#include "precision/quantize/device.h"
#include "tests/cuda/kernels_under_test.h"
#include "tests/support/test_device/aten_backend.h"
#include "tests/support/test_device/device_memory.h"
#include "tests/support/test_device/products.h"

namespace precipice::test_device {
namespace {

void multiply_by_the_cpu(const ProductCall& call, Stream) {
  multiply_there(call, cpu_machine().multiply);
}

// The machine of the process.
const Machine& machine(bool has_free_sums) {
  return cuda_machine(test::on_cpu().library.cuda, {stream, multiply_by_the_cpu, has_free_sums, &step_graphs()});
}

}  // namespace

FreeSums::FreeSums() {
  test_device();  // whose first call makes the machine
  machine(true);
}
FreeSums::~FreeSums() {
  machine(false);
}

TrainingDevice test_device() {
  static const OptimizerMachine* const optimizer = [] {
    const CudaLibrary& library = test::on_cpu().library.cuda;
    register_backend();
    set_machine(c10::DeviceType::PrivateUse1, machine(false));
    return &cuda_optimizer_machine(library, stream);
  }();
  return {c10::Device(c10::DeviceType::PrivateUse1, 0), optimizer};
}

}  // namespace precipice::test_device
