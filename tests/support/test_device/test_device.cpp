// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_device/test_device.h"

#include <vector>

#include "optim/cuda_optimizer_machine.h"
#include "precision/gemm/carrier.h"
#include "precision/quantize/cuda_machine.h"
#include "precision/quantize/device.h"
#include "tests/cuda/kernels_under_test.h"
#include "tests/support/test_device/aten_backend.h"
#include "tests/support/test_device/device_memory.h"

namespace precipice::test_device {
namespace {

// The CPU's carrier in the place of a library of matrix products.
void multiply_by_the_cpu(const ProductCall& call, Stream) {
  const DeviceMemory::Opened at_work;
  cpu_machine().multiply(call, {});
  const CarrierProduct& product = call.product;
  const c10::IntArrayRef of_a(product.a_sizes.begin(), product.a_sizes.size());
  std::vector<std::int64_t> sizes = of_a.vec();
  sizes.back() = product.b_sizes.begin()[product.b_sizes.size() - 2];
  mark_written({product.y, sizes, {product.y_strides.begin(), product.y_strides.size()}, sizeof(float)});
}

// The machine of the process.
const Machine& machine(bool has_free_sums) {
  return cuda_machine(test::on_cpu().library.cuda, {stream, multiply_by_the_cpu, has_free_sums});
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
