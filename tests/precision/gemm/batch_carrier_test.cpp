// SPDX-License-Identifier: Apache-2.0
// Oracle: products of whole numbers, which are exact.
#include <utility>

#include "precision/gemm/batch_carrier.h"

#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include "tests/support/catch.h"
#include "tests/support/tensors.h"

using namespace precipice;
using test::random_tensor;

namespace {

at::Tensor whole_batch(std::vector<std::int64_t> shape, std::uint64_t seed) {
  return random_tensor(std::move(shape), seed).mul(8).round();
}

CarrierProduct call_of(const at::Tensor& a, const at::Tensor& b, const at::Tensor& y) {
  CarrierProduct call;
  call.bf16 = a.scalar_type() == at::kBFloat16;
  call.a = a.const_data_ptr(), call.b = b.const_data_ptr();
  call.a_sizes = a.sizes().vec(), call.a_strides = a.strides().vec();
  call.b_sizes = b.sizes().vec(), call.b_strides = b.strides().vec();
  call.y_strides = y.strides().vec();
  call.y = y.mutable_data_ptr<float>();
  return call;
}

}  // namespace

TEST_CASE("a product in parts is the product, high or wide, with scale and bias, for any strides and batch") {
  for (const bool bf16 : {false, true}) {
    if (bf16 && !can_multiply_bf16()) continue;
    const auto numbers = [&](const at::Tensor& x) { return bf16 ? x.to(at::kBFloat16) : x; };
    for (const auto& [m, n] : std::vector<std::pair<int, int>>{{1, 1}, {300, 20}, {20, 300}, {256, 256}}) {
      CAPTURE(bf16, m, n);
      const at::Tensor a = whole_batch({m, 40}, 1), b = whole_batch({n, 40}, 2), bias = whole_batch({n}, 3);
      const at::Tensor y = at::zeros({m, n + 3}, a.options()).narrow(1, 1, n);
      const at::Tensor x = numbers(a), along_k = numbers(b).t().contiguous().t();
      CarrierProduct call = call_of(x, along_k, y);
      call.scale = 0.5f;
      call.bias = bias.const_data_ptr<float>();
      multiply_in_parts(call);
      CHECK(y.eq(at::matmul(a, b.t()).mul(0.5f).add(bias)).all().item<bool>());
    }
    const at::Tensor a = whole_batch({2, 150, 3, 8}, 4).transpose(1, 2), b = whole_batch({2, 3, 7, 8}, 5);
    const at::Tensor x = numbers(a), w = numbers(b), y = at::zeros({2, 150, 3, 7}).transpose(1, 2);
    multiply_in_parts(call_of(x, w, y));
    CHECK(y.eq(at::matmul(a, b.transpose(-2, -1))).all().item<bool>());
  }
}
