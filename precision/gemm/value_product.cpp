// SPDX-License-Identifier: Apache-2.0
#include "precision/gemm/value_product.h"

#include "precision/base/check.h"
#include "precision/gemm/matmuls_of.h"
#include "precision/gemm/multiplier.h"
#include "precision/quantize/device.h"

namespace precipice {
namespace {

// A view as the carrier wants it: one of a matrix's strides is 1, and no element repeats.
at::Tensor as_operand(const at::Tensor& x) {
  const auto is_dense = [&](std::int64_t inner, std::int64_t outer) {
    return x.stride(inner) == 1 && (x.stride(outer) >= x.size(inner) || x.size(outer) == 1);
  };
  bool repeats = false;
  for (std::int64_t d = 0; d + 2 < x.dim(); ++d) repeats |= x.stride(d) == 0 && x.size(d) > 1;
  return (is_dense(-1, -2) || is_dense(-2, -1)) && !repeats ? x : x.contiguous();
}

void set_operands(CarrierProduct& call, const at::Tensor& a, const at::Tensor& b) {
  call.bf16 = a.scalar_type() == at::kBFloat16;
  call.a = a.const_data_ptr(), call.b = b.const_data_ptr();
  call.a_sizes = a.sizes(), call.a_strides = a.strides();
  call.b_sizes = b.sizes(), call.b_strides = b.strides();
}

void check_shapes(const at::Tensor& a, const at::Tensor& b, const at::Tensor& y) {
  PRECIPICE_CHECK(a.dim() == b.dim() && a.size(-1) == b.size(-1) && a.scalar_type() == b.scalar_type(), "operands ",
                  a.sizes(), " and ", b.sizes());
  PRECIPICE_CHECK(y.dim() == a.dim() && y.size(-2) == a.size(-2) && y.size(-1) == b.size(-2) &&
                      y.sizes().slice(0, static_cast<std::size_t>(y.dim() - 2)) ==
                          a.sizes().slice(0, static_cast<std::size_t>(a.dim() - 2)),
                  "a product of ", a.sizes(), " and ", b.sizes(), " for ", y.sizes());
}

}  // namespace

bool has_rows_side_by_side(const at::Tensor& y) {
  return y.stride(-1) == 1 && (y.stride(-2) >= y.size(-1) || y.size(-2) == 1);
}

void multiply_values(const ValueProduct& product, const at::Tensor& y) {
  check_shapes(product.a, product.b, y);
  const at::Tensor bias = product.bias.defined() ? product.bias.contiguous() : product.bias;
  if (product.a.numel() == 0 || product.b.numel() == 0) {
    y.zero_();
    if (bias.defined()) y.add_(bias);
    return;
  }
  CarrierProduct call;
  at::Tensor a = as_operand(product.a), b = as_operand(product.b);
  set_operands(call, a, b);
  const bool is_bf16 = y.scalar_type() == at::kBFloat16;
  PRECIPICE_CHECK(!is_bf16 || (call.bf16 && !bias.defined() && product.scale.is_known() && product.scale.known == 1.0f),
                  "a bf16 product has bf16 operands alone");
  if (!is_bf16) call.y = y.mutable_data_ptr<float>();
  call.y_strides = y.strides();
  call.scale = product.scale.is_known() ? product.scale.known : 1.0f;
  call.bias = bias.defined() ? bias.const_data_ptr<float>() : nullptr;
  const MatmulCpu& matmuls = matmuls_of(y);
  bool may_need_fp32 = product.may_need_fp32;
  const auto is_open = [](const Factor& quantum) { return !quantum.is_known() || quantum.known == 0; };
  const bool is_left_there = is_open(product.a_quantum) || is_open(product.b_quantum);
  if (!is_left_there && needs_fp32_copies(call, may_need_fp32, matmuls)) {
    a = as_operand(product.a.to(at::kFloat)), b = as_operand(product.b.to(at::kFloat));
    set_operands(call, a, b);
    may_need_fp32 = false;
  }
  const Machine& machine = machine_of(y);
  machine.multiply(
      {call, product.causal, may_need_fp32, product.scale, product.a_quantum, product.b_quantum, product.a_is_folded,
       product.b_is_folded, is_bf16 ? static_cast<std::uint16_t*>(y.mutable_data_ptr()) : nullptr},
      machine.current_stream());
}

}  // namespace precipice
