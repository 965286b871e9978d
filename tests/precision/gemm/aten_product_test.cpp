// SPDX-License-Identifier: Apache-2.0
// The product by ATen, on CPU tensors. ATen's CPU has no product of bf16 numbers with fp32 results: one is registered here, the
// fp32 product of the same numbers. Oracles: the product in double, and the CPU's carrier, both of small whole numbers, whose
// sums are exact in any order.
#include "precision/gemm/aten_product.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <limits>
#include <string>
#include <vector>

#include "tests/precision/gemm/product_calls.h"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

using namespace precipice;
using test::call_of;
using test::kOrders;
using test::laid_out;
using test::Order;
using test::product_of;
using test::random_tensor;
using test::same_bits;

namespace {

std::size_t products_of_bf16 = 0;

at::Tensor& multiply_bf16(const at::Tensor& a, const at::Tensor& b, at::ScalarType type, at::Tensor& out) {
  TORCH_CHECK(a.scalar_type() == at::kBFloat16 && b.scalar_type() == at::kBFloat16 && type == at::kFloat &&
              out.scalar_type() == at::kFloat);
  ++products_of_bf16;
  return out.copy_(at::matmul(a.to(at::kFloat), b.to(at::kFloat)));
}

TORCH_LIBRARY_IMPL(aten, CPU, library) {
  library.impl("mm.dtype_out", multiply_bf16);
  library.impl("bmm.dtype_out", multiply_bf16);
}

// Memory of y with two numbers more in each row, all of it NaN; y is a view of it.
struct Result {
  Result(std::vector<std::int64_t> shape, Order order) {
    shape.back() += 2;
    const bool heads = order == Order::Heads && shape.size() > 2;
    if (heads) std::swap(shape[shape.size() - 3], shape[shape.size() - 2]);
    memory = at::full(shape, std::numeric_limits<float>::quiet_NaN());
    y = (heads ? memory.transpose(-3, -2) : memory).narrow(-1, 0, shape.back() - 2);
  }
  at::Tensor memory, y;
};

struct Scales {
  Factor factor;
  float value;
};

void check_product(const std::vector<std::int64_t>& batch, std::int64_t m, std::int64_t n, std::int64_t k, Order of_a,
                   Order of_b, Order of_y, bool bf16, const Scales& scale) {
  CAPTURE(batch, m, n, k, static_cast<int>(of_a), static_cast<int>(of_b), static_cast<int>(of_y), bf16, scale.value);
  const auto shape = [&](std::int64_t rows, std::int64_t cols) {
    std::vector<std::int64_t> all = batch;
    all.insert(all.end(), {rows, cols});
    return all;
  };
  const at::Tensor a = laid_out(shape(m, k), of_a, 1), b = laid_out(shape(n, k), of_b, 2);
  const at::ScalarType type = bf16 ? at::kBFloat16 : at::kFloat;
  const at::Tensor x = a.to(type), w = b.to(type), bias = random_tensor({n}, 3).mul(8).round();
  Result by_aten(shape(m, n), of_y), by_carrier(shape(m, n), of_y);
  CarrierProduct product = product_of(x, w, by_aten.y);
  product.scale = scale.factor.is_known() ? scale.factor.known : 1.0f;
  if (batch.empty() && k % 2 == 1) product.bias = bias.const_data_ptr<float>();
  multiply_by_aten(call_of(product, Causal::No, scale.factor, bf16), at::kCPU);
  at::Tensor expected = at::matmul(a.to(at::kDouble), b.to(at::kDouble).transpose(-2, -1)).mul(scale.value);
  if (product.bias != nullptr) expected = expected.add(bias);
  CHECK(by_aten.y.to(at::kDouble).equal(expected));
  if (bf16 && !can_multiply_bf16()) return;
  product.y = by_carrier.y.mutable_data_ptr<float>();
  cpu_machine().multiply(call_of(product, Causal::No, scale.factor), nullptr);
  CHECK(same_bits(by_aten.memory, by_carrier.memory));  // what is no part of y too
}

const float kQuarter = 0.25f, kEight = 8.0f;

Scales scale_number(std::size_t i) {
  const Factor two = times(Factor(0.5f, &kQuarter), Factor(1.0f, &kEight));
  const Scales all[] = {{Factor(), 1.0f},
                        {Factor(0.5f), 0.5f},
                        {Factor(4.0f, &kQuarter), 1.0f},
                        {two, 1.0f},
                        {Factor(1.0f, &kEight), 8.0f}};
  return all[i % std::size(all)];
}

}  // namespace

TEST_CASE("the product by ATen is the carrier's, for every shape, layout, batch, type and scale") {
  const std::size_t before = products_of_bf16;
  const std::vector<std::vector<std::int64_t>> batches = {{}, {3}, {2, 3}, {2, 1, 3}};
  const std::int64_t sizes[][3] = {{1, 1, 1}, {1, 5, 7}, {6, 1, 3}, {4, 9, 1}, {9, 17, 40}};
  std::size_t number = 0;
  for (const auto& batch : batches)
    for (const auto& [m, n, k] : sizes)
      for (const Order of_a : kOrders)
        for (const bool bf16 : {false, true}) {
          const Order of_b = kOrders[(number / 2 + number / 6) % 3], of_y = kOrders[number / 5 % 3];
          check_product(batch, m, n, k, of_a, of_b, of_y, bf16, scale_number(number++));
        }
  CHECK(products_of_bf16 > before);
}

TEST_CASE("a product by ATen that gives bf16 numbers has the sums of the one in fp32, rounded once") {
  // Sums of several hundreds: bf16 has the even numbers from 256 on, so that halves are ties.
  const at::Tensor x = laid_out({9, 40}, Order::Rows, 1).mul(3).to(at::kBFloat16),
                   w = laid_out({17, 40}, Order::Columns, 2).mul(5).to(at::kBFloat16);
  const at::Tensor sums = at::empty({9, 17}), memory = at::full({9, 19}, -1.0, at::TensorOptions(at::kBFloat16)),
                   y = memory.narrow(1, 0, 17);
  CarrierProduct product = product_of(x, w, sums);
  multiply_by_aten(call_of(product, Causal::No), at::kCPU);
  ProductCall call = call_of(product, Causal::No);
  product.y_strides = y.strides();
  call.packed = static_cast<std::uint16_t*>(y.mutable_data_ptr());
  multiply_by_aten(call, at::kCPU);
  CHECK(sums.abs().max().item<float>() > 512);
  CHECK(y.equal(sums.to(at::kBFloat16)));
  CHECK(memory.narrow(1, 17, 2).eq(-1).all().item<bool>());
}

TEST_CASE("batches that are one in memory are one product by ATen, others one for each of the fewer") {
  const auto calls_for = [](const at::Tensor& a, const at::Tensor& b) {
    const at::Tensor x = a.to(at::kBFloat16), w = b.to(at::kBFloat16);
    const at::Tensor y = at::empty({a.size(0), a.size(1), a.size(2), b.size(2)});
    const std::size_t before = products_of_bf16;
    const CarrierProduct product = product_of(x, w, y);
    multiply_by_aten(call_of(product, Causal::No), at::kCPU);
    return products_of_bf16 - before;
  };
  const at::Tensor whole = random_tensor({5, 3, 4, 8}, 1), heads = laid_out({5, 3, 4, 8}, Order::Heads, 2);
  CHECK(calls_for(whole, whole) == 1);
  CHECK(calls_for(heads, whole) == 3);
}

TEST_CASE("what the CPU's carrier leaves out of causal products is zero, and multiplied by ATen all the same") {
  const at::Tensor lower = laid_out({2, 6, 6}, Order::Rows, 1).tril(), b = laid_out({2, 9, 6}, Order::Rows, 2);
  Result by_aten({2, 6, 9}, Order::Rows), by_carrier({2, 6, 9}, Order::Rows);
  const CarrierProduct product = product_of(lower, b, by_aten.y), other = product_of(lower, b, by_carrier.y);
  multiply_by_aten(call_of(product, Causal::FirstPast), at::kCPU);
  cpu_machine().multiply(call_of(other, Causal::FirstPast), nullptr);
  CHECK(by_aten.y.equal(by_carrier.y));
}
