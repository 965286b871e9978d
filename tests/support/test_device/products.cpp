// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_device/products.h"

#include <cstdint>
#include <vector>

#include "precision/gemm/carrier.h"
#include "tests/support/test_device/device_memory.h"

namespace precipice::test_device {
namespace {

// While the memory is open.
void multiply_now(const ProductCall& call, ProductOnCpu on_cpu) {
  on_cpu(call, {});
  const CarrierProduct& product = call.product;
  const c10::IntArrayRef of_a(product.a_sizes.begin(), product.a_sizes.size());
  std::vector<std::int64_t> sizes = of_a.vec();
  sizes.back() = product.b_sizes.begin()[product.b_sizes.size() - 2];
  mark_written({product.y, sizes, {product.y_strides.begin(), product.y_strides.size()}, sizeof(float)});
}

}  // namespace

void multiply_there(const ProductCall& call, ProductOnCpu on_cpu) {
  if (!DeviceMemory::is_captured()) {
    const DeviceMemory::Opened at_work;
    return multiply_now(call, on_cpu);
  }
  DeviceMemory::keep([own = call, product = call.product, on_cpu] {
    multiply_now({product, own.causal, own.may_need_fp32, own.scale, own.a_quantum, own.b_quantum, own.a_is_folded,
                  own.b_is_folded},
                 on_cpu);
  });
}

}  // namespace precipice::test_device
