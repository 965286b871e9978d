// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_device/products.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "precision/gemm/carrier.h"
#include "tests/support/test_device/device_memory.h"
#include "tests/support/test_device/test_device.h"

namespace precipice::test_device {
namespace {

std::atomic<std::int64_t> bf16_products_made = 0;

c10::IntArrayRef array_of(const Dims& dims) {
  return {dims.begin(), dims.size()};
}

// What nobody has looked for and the CPU's instructions need: the last place of the smallest number but zero, of which bf16
// has 8 binary places; of subnormal ones, or where there is none, bf16's smallest number. (As ResultQuantum of
// precision/calls/result_quantum.h, for a module that has not the library behind it.)
float quantum_of_numbers(const void* data, const Dims& sizes, const Dims& strides) {
  constexpr float kSmallestNormal = 0x1p-126f, kSmallest = 0x1p-133f;
  float smallest = std::numeric_limits<float>::infinity();
  const auto floats =
      at::from_blob(const_cast<void*>(data), array_of(sizes), array_of(strides), at::TensorOptions(at::kBFloat16))
          .abs()
          .to(at::kFloat)
          .contiguous();
  for (const float size : std::span(floats.const_data_ptr<float>(), static_cast<std::size_t>(floats.numel())))
    if (size > 0) smallest = std::min(smallest, size);
  if (smallest < kSmallestNormal || std::isinf(smallest)) return kSmallest;
  return std::max(std::ldexp(1.0f, std::ilogb(smallest) - 7), kSmallest);
}

// While the memory is open.
void multiply_now(const ProductCall& given, ProductOnCpu on_cpu) {
  CarrierProduct product = given.product;
  ProductCall call{product,         given.causal,    given.may_need_fp32, given.scale,
                   given.a_quantum, given.b_quantum, given.a_is_folded,   given.b_is_folded};
  float of_a = 0, of_b = 0;
  if (product.bf16 && call.a_quantum.is_known() && call.a_quantum.known == 0) {
    of_a = quantum_of_numbers(product.a, product.a_sizes, product.a_strides);
    call.a_quantum = {1.0f, &of_a};
  }
  if (product.bf16 && call.b_quantum.is_known() && call.b_quantum.known == 0) {
    of_b = quantum_of_numbers(product.b, product.b_sizes, product.b_strides);
    call.b_quantum = {1.0f, &of_b};
  }
  std::vector<std::int64_t> sizes = array_of(product.a_sizes).vec();
  sizes.back() = product.b_sizes.from_end(2);
  if (given.packed == nullptr) {
    on_cpu(call, {});
    return mark_written({product.y, sizes, array_of(product.y_strides), sizeof(float)});
  }
  ++bf16_products_made;
  const at::Tensor sums = at::empty(sizes, at::TensorOptions(at::kFloat));
  product.y = sums.mutable_data_ptr<float>(), product.y_strides = sums.strides();
  on_cpu(call, {});
  at::from_blob(given.packed, sizes, array_of(given.product.y_strides), at::TensorOptions(at::kBFloat16)).copy_(sums);
  mark_written({given.packed, sizes, array_of(given.product.y_strides), sizeof(std::uint16_t)});
}

}  // namespace

std::int64_t bf16_products() {
  return bf16_products_made;
}

void multiply_there(const ProductCall& call, ProductOnCpu on_cpu) {
  if (!DeviceMemory::is_captured()) {
    const DeviceMemory::Opened at_work;
    return multiply_now(call, on_cpu);
  }
  DeviceMemory::keep([own = call, product = call.product, on_cpu] {
    multiply_now({product, own.causal, own.may_need_fp32, own.scale, own.a_quantum, own.b_quantum, own.a_is_folded,
                  own.b_is_folded, own.packed},
                 on_cpu);
  });
}

}  // namespace precipice::test_device
