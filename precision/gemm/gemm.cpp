// SPDX-License-Identifier: Apache-2.0
#include "precision/gemm/gemm.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <c10/util/SmallVector.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "precision/accumulator/emulated_gemm.h"
#include "precision/base/check.h"
#include "precision/format/format_presets.h"
#include "precision/gemm/emulated_product.h"
#include "precision/gemm/matmuls_of.h"
#include "precision/gemm/value_product.h"
#include "precision/quantize/device.h"

namespace precipice {
namespace {

bool is_emulated(const GemmArithmetic& arithmetic) {
  return arithmetic.accumulator.kind != AccumulatorKind::Fp32;
}

Destination destination_of(const at::Tensor& out) {
  if (!out.defined()) return Destination::New;
  if (has_rows_side_by_side(out)) return Destination::Rows;
  return has_rows_side_by_side(out.transpose(-2, -1)) ? Destination::Columns : Destination::Scattered;
}

// The operands as the plan's product takes them, and what was done to them.
Preparation prepare(Quantized& a, Quantized& b, const GemmArithmetic& arithmetic, StepLedger* ledger) {
  const Preparation wanted = choose_preparation(kind_of(a), kind_of(b), arithmetic.scales, is_emulated(arithmetic));
  if (wanted == Preparation::Dequantized) {
    for (Quantized* operand : {&a, &b}) {
      Quantized plain;
      plain.values = dequantized(*operand);
      *operand = std::move(plain);
    }
  }
  if (wanted != Preparation::Folded) return wanted;
  std::optional<Quantized> folded_a = a.scales.defined() ? folded(a, ledger) : a;
  if (!folded_a) return Preparation::None;
  std::optional<Quantized> folded_b = b.scales.defined() ? folded(b, ledger) : b;
  if (!folded_b) return Preparation::None;
  a = *std::move(folded_a), b = *std::move(folded_b);
  return Preparation::Folded;
}

// Waits for them where the operands are bf16 on a device, and one of them has quanta that follow from its numbers.
void know_quanta(Quantized& a, Quantized& b) {
  for (Quantized* operand : {&a, &b})
    if (operand->quantum_at != nullptr) operand->know_numbers();
}

GemmFacts facts_of(const PlannedGemm& gemm, Preparation preparation) {
  const GemmResult& result = gemm.result;
  GemmFacts facts;
  facts.a = kind_of(gemm.a), facts.b = kind_of(gemm.b);
  facts.preparation = preparation;
  facts.emulated = is_emulated(gemm.arithmetic);
  facts.has_bias = result.bias.defined();
  facts.out = destination_of(result.out);
  facts.is_rounded = !gemm.arithmetic.output.is_identity();
  facts.is_stochastic = is_stochastic(gemm.arithmetic.output.rounding);
  if (facts.out == Destination::Rows || facts.out == Destination::Columns) {
    const at::Tensor rows = facts.out == Destination::Rows ? result.out : result.out.transpose(-2, -1);
    facts.rounds_in_place = facts.is_rounded && can_round_in_place(rows, gemm.arithmetic.output);
  }
  facts.causal = result.causal;
  return facts;
}

// Numbers along K to a scale; 0 where scales do not change along it.
std::int64_t block_of_k(const Quantized& operand) {
  return kind_of(operand).scales == ScaleLayout::BlocksOfK ? operand.block_k : 0;
}

at::Tensor new_result(const Quantized& a, const Quantized& b, at::ScalarType type = at::kFloat) {
  c10::SmallVector<std::int64_t, Dims::kMost> shape(a.values.sizes().begin(), a.values.sizes().end());
  shape.back() = b.values.size(-2);
  return at::empty(shape, a.values.options().dtype(type));
}

// sums[m, n] *= a[m] * b[n]; or y[m, n] += sums[m, n] * (a[m] * b[n]) where y is another matrix.
void apply_scales(const at::Tensor& sums, const at::Tensor& y, const RowScales& a, const RowScales& b,
                  std::int64_t block) {
  const Machine& machine = machine_of(y);
  machine.scale_sums(
      {sums.const_data_ptr<float>(), y.mutable_data_ptr<float>(), y.size(0), y.size(1), a.values(), b.values(), block},
      machine.current_stream());
}

// One matrix of an operand.
struct OperandMatrix {
  OperandMatrix(const Quantized& operand, std::int64_t index)
      : values(matrix_at(operand.values, index)),
        scales(matrix_at(operand.scales, index)),
        scale(operand, scales),
        block_k(block_of_k(operand)),
        outer(operand.outer_factor()),
        format(operand.format) {}
  UnitOperand on_unit() {
    return {{values.const_data_ptr<float>(), values.stride(0), values.stride(1), scales_on_unit()},
            values.size(0),
            values.size(1),
            block_k,
            outer.known,
            format};
  }
  // In memory that the unit reads: a number that the host knows goes to the device, if it is not 1.
  OperandScales scales_on_unit() {
    const RowScaleValues known = scale.values();
    if (values.is_cpu() || known.of_rows.data != nullptr || !known.fixed.is_known()) return scale.as_operand();
    if (known.fixed.known == 1.0f) return {};
    scale_there = at::full({1}, known.fixed.known, values.options());
    return {scale_there.const_data_ptr<float>(), 1, 0, 0};
  }
  at::Tensor values, scales, scale_there;
  RowScales scale;
  std::int64_t block_k;
  Factor outer;
  FloatFormat format;
};

// An operand as a unit takes it: scales=groups are E4M3 numbers, and the tensor's part acts at the end. What the unit's
// own constants depend on is known by then.
Quantized for_unit(const Quantized& operand, const Accumulator& accumulator) {
  Quantized result = operand;
  if (accumulator.block_scales == BlockScales::Groups && operand.outer_at != nullptr) result.know_numbers();
  if (!operand.scales.defined() || !takes_blocks_alone(accumulator, result.outer)) return result;
  result.scales = without_outer_scale(operand.scales, result.outer);
  return result;
}

void run_rows(const OperandMatrix& a, const OperandMatrix& b, const at::Tensor& y) {
  multiply_values({a.values, b.values}, y);
  apply_scales(y, y, a.scale, b.scale, 0);
}

void run_blocks(const OperandMatrix& a, const OperandMatrix& b, std::int64_t block, const at::Tensor& y) {
  const std::int64_t k = a.values.size(1);
  const at::Tensor sums = at::empty(y.sizes(), y.options());
  y.zero_();
  for (std::int64_t begin = 0; begin < k; begin += block) {
    const std::int64_t size = std::min(block, k - begin);
    multiply_values({a.values.narrow(1, begin, size), b.values.narrow(1, begin, size)}, sums);
    apply_scales(sums, y, a.scale, b.scale, begin / block);
  }
}

// `index` of `matrices`
void run_emulated(EmulatedGemm call, std::int64_t index, std::int64_t matrices, const RandomKey& key,
                  const at::Tensor& y) {
  call.out = y.mutable_data_ptr<float>();
  call.out_stride = y.stride(0);
  call.key = key;
  call.first_element = static_cast<std::uint64_t>(index * y.numel());
  call.elements = static_cast<std::uint64_t>(matrices * y.numel());
  const Machine& machine = machine_of(y);
  machine.gemm_emulated(call, machine.current_stream());
}

// The ways that go matrix by matrix.
at::Tensor run_matrices(const Quantized& given_a, const Quantized& given_b, const PlannedGemm& gemm,
                        const RandomKey& key) {
  const Accumulator& accumulator = gemm.arithmetic.accumulator;
  const Quantized a = for_unit(given_a, accumulator), b = for_unit(given_b, accumulator);
  const at::Tensor y = new_result(a, b);
  const std::int64_t matrices = matrices_of(a.values);
  const std::int64_t block = block_of_k(a) != 0 ? block_of_k(a) : block_of_k(b);
  for (std::int64_t index = 0; index < matrices; ++index) {
    OperandMatrix of_a(a, index), of_b(b, index);
    const at::Tensor of_y = matrix_at(y, index);
    if (gemm.plan.kind.way == Way::Emulated)
      run_emulated(emulated_product(of_a.on_unit(), of_b.on_unit(), accumulator), index, matrices, key, of_y);
    else if (gemm.plan.kind.way == Way::ScaledBlocks)
      run_blocks(of_a, of_b, block, of_y);
    else
      run_rows(of_a, of_b, of_y);
  }
  if (gemm.result.bias.defined()) y.add_(gemm.result.bias);
  round_output(y, 1.0f, gemm.arithmetic.output, key);
  return y;
}

at::Tensor run_one_product(const Quantized& a, const Quantized& b, const at::Tensor& rows_of_out,
                           const PlannedGemm& gemm, const RandomKey& key) {
  const GemmPlan& plan = gemm.plan;
  const Factor scale = times(a.scale_factor(), b.scale_factor());
  const bool as_bf16 = gemm.result.as_bf16;
  const at::Tensor y = plan.writes_to_out ? rows_of_out : new_result(a, b, as_bf16 ? at::kBFloat16 : at::kFloat);
  multiply_values(
      {a.values, b.values, plan.scales_in_rounding ? Factor() : scale, gemm.result.bias, plan.causal,
       plan.may_need_fp32, a.quantum_factor(), b.quantum_factor(), a.scale_range.defined(), b.scale_range.defined()},
      y);
  const ElementQuantizer& output = gemm.arithmetic.output;
  if (!output.is_identity() && !as_bf16) round_output(y, plan.scales_in_rounding ? scale : Factor(), output, key);
  return y;
}

}  // namespace

bool becomes_bf16(const ElementQuantizer& output) {
  return output == ElementQuantizer{.format = kBf16, .overflow = Overflow::Native};
}

bool bf16_is_exact(const Quantizer& a, const Quantizer& b, const GemmArithmetic& arithmetic) {
  const bool scales_operands = arithmetic.scales == ScalesAct::Operands && (a.is_scaled() || b.is_scaled());
  return !is_emulated(arithmetic) && !scales_operands && fits_bf16(a.element.format) && fits_bf16(b.element.format);
}

bool runs_on_bf16(const Quantizer& a, const Quantizer& b, const GemmArithmetic& arithmetic, const MatmulCpu& cpu) {
  return arithmetic.carrier != Carrier::Fp32 && (arithmetic.carrier == Carrier::Bf16 || cpu.bf16_instructions) &&
         bf16_is_exact(a, b, arithmetic);
}

PlannedGemm plan_gemm(const Quantized& a, const Quantized& b, const GemmArithmetic& arithmetic,
                      const GemmResult& result) {
  PRECIPICE_CHECK(!result.bias.defined() || a.values.dim() == 2, "a bias goes with 2-D operands");
  PlannedGemm gemm{a, b, arithmetic, result, {}};
  const Preparation preparation = prepare(gemm.a, gemm.b, arithmetic, result.ledger);
  check_equal_blocks(block_of_k(gemm.a), block_of_k(gemm.b));
  // Only one product of whole operands is asked about quanta where they lie.
  if (!is_emulated(arithmetic) && (gemm.a.scales.defined() || gemm.b.scales.defined())) know_quanta(gemm.a, gemm.b);
  gemm.plan = choose_gemm(facts_of(gemm, preparation), matmuls_of(gemm.a.values));
  if (gemm.plan.transposed) std::swap(gemm.a, gemm.b);
  PRECIPICE_CHECK(
      !result.as_bf16 || (gemm.plan.kind == ProductKind{.type = OperandType::Bf16} && !result.out.defined()),
      "a bf16 result of ", describe(gemm.plan.kind));
  return gemm;
}

at::Tensor run_gemm(const PlannedGemm& gemm, const RandomKey& output_key) {
  const GemmPlan& plan = gemm.plan;
  const Quantized a = plan.copies_to_fp32 ? gemm.a.widened() : gemm.a,
                  b = plan.copies_to_fp32 ? gemm.b.widened() : gemm.b;
  const at::Tensor& out = gemm.result.out;
  const at::Tensor rows_of_out = plan.transposed ? out.transpose(-2, -1) : out;
  const at::Tensor y = plan.kind.way == Way::OneProduct ? run_one_product(a, b, rows_of_out, gemm, output_key)
                                                        : run_matrices(a, b, gemm, output_key);
  if (!out.defined()) return y;
  if (!plan.writes_to_out) copy_into(rows_of_out, y);
  return out;
}

at::Tensor gemm(const Quantized& a, const Quantized& b, const at::Tensor& bias, const GemmArithmetic& arithmetic,
                const RandomKey& output_key, const at::Tensor& out, Causal causal) {
  return run_gemm(plan_gemm(a, b, arithmetic, {bias, out, causal}), output_key);
}

OutputTrace trace_gemm(const Quantized& given_a, const Quantized& given_b, const GemmArithmetic& arithmetic,
                       std::int64_t m, std::int64_t n) {
  const Accumulator& accumulator = arithmetic.accumulator;
  const Quantized a = for_unit(given_a.widened(), accumulator), b = for_unit(given_b.widened(), accumulator);
  OperandMatrix of_a(a, 0), of_b(b, 0);
  return trace_output(emulated_product(of_a.on_unit(), of_b.on_unit(), accumulator), m, n);
}

}  // namespace precipice
