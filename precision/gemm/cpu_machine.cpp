// SPDX-License-Identifier: Apache-2.0
// The CPU's machine (precision/quantize/machine.h): loops over rows, and what multiplies.
#include "precision/accumulator/emulated_gemm.h"
#include "precision/gemm/batch_carrier.h"
#include "precision/gemm/emulated_product.h"
#include "precision/quantize/cpu_loops.h"
#include "precision/quantize/machine.h"
#include "precision/quantize/parallel.h"

namespace precipice {
namespace {

void multiply_on_cpu(const CarrierProduct& product, Causal causal, bool may_need_fp32, Stream) {
  multiply_by(choose_multiplier(product, causal, may_need_fp32, matmul_cpu()), product, causal);
}

void emulate_on_cpu(const EmulatedGemm& call, Stream) {
  gemm_emulated(call, [](std::int64_t items, const auto& body) { at::parallel_for(0, items, 1, body); });
}

void divide_outer_on_cpu(const float* scales, std::int64_t size, float outer, float* out, Stream) {
  without_outer_scale(scales, size, outer, out);
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
                                .scale_numbers = cpu::scale_numbers,
                                .range_of_scales = cpu::range_of_scales,
                                .divide_outer_scale = divide_outer_on_cpu,
                                .multiply = multiply_on_cpu,
                                .gemm_emulated = emulate_on_cpu};
  return kCpu;
}

}  // namespace precipice
