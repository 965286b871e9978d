// SPDX-License-Identifier: Apache-2.0
// Products for the tests of what multiplies: operands whose sums are exact in any order, in several layouts, and the calls.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "precision/gemm/carrier.h"
#include "precision/quantize/machine.h"
#include "tests/support/tensors.h"

namespace precipice::test {

// A batch of matrices of whole numbers from -16 to 16, in memory in one of three orders: as it is, transposed, or with a
// batch's dimension between rows and columns, as heads lie among the numbers of a token.
enum class Order { Rows, Columns, Heads };
inline constexpr Order kOrders[] = {Order::Rows, Order::Columns, Order::Heads};

inline at::Tensor laid_out(const std::vector<std::int64_t>& shape, Order order, std::uint64_t seed) {
  at::Tensor x = random_tensor(shape, seed).mul(8).round();
  if (order == Order::Columns) return x.transpose(-2, -1).contiguous().transpose(-2, -1);
  if (order == Order::Heads && x.dim() > 2) return x.transpose(-3, -2).contiguous().transpose(-3, -2);
  return x;
}

inline CarrierProduct product_of(const at::Tensor& a, const at::Tensor& b, const at::Tensor& y) {
  CarrierProduct call;
  call.bf16 = a.scalar_type() == at::kBFloat16;
  call.a = a.const_data_ptr(), call.b = b.const_data_ptr();
  call.a_sizes = a.sizes(), call.a_strides = a.strides();
  call.b_sizes = b.sizes(), call.b_strides = b.strides();
  call.y = y.mutable_data_ptr<float>(), call.y_strides = y.strides();
  return call;
}

inline ProductCall call_of(const CarrierProduct& product, Causal causal, const Factor& scale = {},
                           bool may_need_fp32 = false) {
  return {product, causal, may_need_fp32, scale, {}, {}};
}

}  // namespace precipice::test
