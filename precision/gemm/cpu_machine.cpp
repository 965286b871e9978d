// SPDX-License-Identifier: Apache-2.0
// The CPU's machine (precision/quantize/machine.h): loops over rows, and what multiplies.
#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>

#include "precision/accumulator/emulated_gemm.h"
#include "precision/base/check.h"
#include "precision/gemm/batch_carrier.h"
#include "precision/gemm/emulated_product.h"
#include "precision/quantize/cpu_loops.h"
#include "precision/quantize/machine.h"
#include "precision/quantize/parallel.h"

namespace precipice {
namespace {

void multiply_chosen(const CarrierProduct& product, Causal causal, bool may_need_fp32) {
  multiply_by(choose_multiplier(product, causal, may_need_fp32, matmul_cpu()), product, causal);
}

at::Tensor fp32_copy(const void* data, const Dims& sizes, const Dims& strides) {
  const at::IntArrayRef all(sizes.begin(), sizes.size()), steps(strides.begin(), strides.size());
  const at::Tensor copy =
      at::from_blob(const_cast<void*>(data), all, steps, at::TensorOptions(at::kBFloat16)).to(at::kFloat);
  return copy.stride(-1) == 1 || copy.stride(-2) == 1 ? copy : copy.contiguous();
}

// With quanta that lie beside the operands: what is else decided before the call (gemm_plan.h, value_product.cpp).
void multiply_asking(const ProductCall& call, CarrierProduct product) {
  const double a = call.a_quantum.value(), b = call.b_quantum.value();
  const bool may_need_fp32 = call.may_need_fp32 && !products_fit_bf16(a, b);
  if (!may_need_fp32) return multiply_chosen(product, call.causal, false);
  const bool too_small =
      (call.a_is_folded && !products_fit_bf16(a, 1)) || (call.b_is_folded && !products_fit_bf16(1, b));
  if (!too_small && !needs_fp32_copies(product, true, matmul_cpu())) return multiply_chosen(product, call.causal, true);
  const at::Tensor wide_a = fp32_copy(product.a, product.a_sizes, product.a_strides),
                   wide_b = fp32_copy(product.b, product.b_sizes, product.b_strides);
  product.bf16 = false;
  product.a = wide_a.const_data_ptr(), product.a_strides = wide_a.strides();
  product.b = wide_b.const_data_ptr(), product.b_strides = wide_b.strides();
  multiply_chosen(product, call.causal, false);
}

void multiply_on_cpu(const ProductCall& call, Stream) {
  PRECIPICE_CHECK(call.packed == nullptr, "products are fp32 on the CPU");
  const bool asks = !call.a_quantum.is_known() || !call.b_quantum.is_known();
  if (!asks && call.scale.is_known()) return multiply_chosen(call.product, call.causal, call.may_need_fp32);
  CarrierProduct product = call.product;
  product.scale = call.scale.value();
  if (!asks) return multiply_chosen(product, call.causal, call.may_need_fp32);
  multiply_asking(call, product);
}

void emulate_on_cpu(const EmulatedGemm& call, Stream) {
  gemm_emulated(call, [](std::int64_t items, const auto& body) { at::parallel_for(0, items, 1, body); });
}

void divide_outer_on_cpu(const float* scales, std::int64_t size, const Factor& outer, float* out, Stream) {
  without_outer_scale(scales, size, outer.value(), out);
}

}  // namespace

const Machine& cpu_machine() {
  static constexpr Machine kCpu{.current_stream = [] { return Stream(); },
                                .norm_forward = cpu::norm_forward,
                                .norm_backward = cpu::norm_backward,
                                .causal_softmax = cpu::causal_softmax,
                                .causal_softmax_backward = cpu::causal_softmax_backward,
                                .gelu = cpu::gelu,
                                .rotate = cpu::rotate,
                                .gather_rows = cpu::gather_rows,
                                .add_rows = cpu::add_rows,
                                .logit_rows = cpu::logit_rows,
                                .logit_gradient = cpu::logit_gradient,
                                .squared_error = cpu::squared_error,
                                .scale = cpu::scale,
                                .quantize = cpu::quantize,
                                .round = cpu::round,
                                .amax = cpu::amax,
                                .scale_sums = cpu::scale_sums,
                                .range_of_scales = cpu::range_of_scales,
                                .scale_numbers = cpu::scale_numbers,
                                .divide_outer_scale = divide_outer_on_cpu,
                                .multiply = multiply_on_cpu,
                                .gemm_emulated = emulate_on_cpu};
  return kCpu;
}

}  // namespace precipice
