// SPDX-License-Identifier: Apache-2.0
#include "precision/autograd/quantized_matmul.h"

#include <algorithm>

#include "precision/autograd/operation.h"
#include "precision/base/check.h"
#include "precision/gemm/gemm.h"
#include "precision/gemm/matmuls_of.h"
#include "precision/quantize/column_sums.h"
#include "precision/quantize/shared_quantization.h"
#include "precision/rounding/random_streams.h"

namespace precipice {
namespace {

void notify_quantized(const MatmulSite& site, Slot slot, const Quantizer& quantizer, const at::Tensor& operand,
                      const Quantized& taken) {
  if (site.observer && !quantizer.is_identity()) site.observer->take(site.site, slot, operand, taken);
}

// For delayed scales, at the end of the step. Counts on a device are downloaded with the step's others.
void record_amax(const MatmulSite& site, std::uint16_t slot, const Quantized& taken) {
  if (site.ledger == nullptr || !taken.numbers.defined())
    return site.scales->record_amax(site.site, slot, taken.events.amax);
  const auto record = [scales = site.scales, place = site.site, slot](const void* numbers) {
    scales->record_amax(place, slot, number_at<MatrixNumbers>(numbers).events.amax);
  };
  site.ledger->add(taken.numbers, record);
}

bool runs_on_bf16(const GemmPrecision& gemm, const at::Tensor& operand) {
  return runs_on_bf16(gemm.first, gemm.second, gemm.arithmetic, matmuls_of(operand));
}

// Rows from `first_row` and `size` columns from `begin` on.
Quantized part_of_operand(const Quantized& operand, std::int64_t first_row, std::int64_t begin, std::int64_t size) {
  PRECIPICE_CHECK(!operand.scales.defined(), "parts of operands with scales of blocks");
  Quantized part = operand;
  const at::Tensor& all = operand.values;
  if (first_row > 0 || size < all.size(-1))
    part.values = all.narrow(-2, first_row, all.size(-2) - first_row).narrow(-1, begin, size).contiguous();
  return part;
}

// x, w, bias or nothing -> y
class MatmulOperation : public Operation {
 public:
  explicit MatmulOperation(const MatmulSite& site, bool in_bf16 = false) : product_(site), in_bf16_(in_bf16) {}

  Tensors forward(const Tensors& inputs) override {
    if (in_bf16_) return {product_.forward_in_bf16(inputs[0], inputs[1])};
    return {product_.forward(inputs[0], inputs[1], inputs.size() > 2 ? inputs[2] : at::Tensor())};
  }

  Tensors backward(const Tensors& gradients, const WantedGradients& wanted) override {
    const at::Tensor& dy = gradients[0];
    QuantizedProduct::Gradients result =
        product_.backward(dy, {wanted[0].needed, wanted[1].needed, {}, wanted[1].room});
    Tensors all{result.dx, result.dw};
    if (wanted.size() > 2) all.push_back(wanted[2].needed ? column_sums(dy, wanted[2].room) : at::Tensor());
    return all;
  }

 private:
  QuantizedProduct product_;
  bool in_bf16_;
};

// Sums that are multiplied by nothing.
bool is_unscaled(const GemmPrecision& gemm) {
  return !gemm.first.is_scaled() && !gemm.second.is_scaled();
}

// As becomes_bf16(), of an operand.
bool becomes_bf16(const Quantizer& quantizer) {
  return becomes_bf16(quantizer.element) && !quantizer.is_scaled() && !quantizer.hadamard &&
         quantizer.arithmetic == Arithmetic::Te;
}

// x (..., K) as a matrix; then y back.
at::Tensor run_linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias,
                      std::unique_ptr<MatmulOperation> operation) {
  PRECIPICE_CHECK(w.dim() == 2 && x.size(-1) == w.size(1), "x ", x.sizes(), " does not fit w ", w.sizes());
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = w.size(0);
  Tensors inputs{x.dim() == 2 ? x : x.reshape({-1, x.size(-1)}), w};
  if (bias.defined()) inputs.push_back(bias);
  const at::Tensor y = run_operation(std::move(operation), inputs)[0];
  return x.dim() == 2 ? y : y.view(shape);
}

}  // namespace

RandomKey slot_key(const MatmulSite& site, Slot slot) {
  static_assert(static_cast<int>(Slot::WgradOut) == kMatmulStream.last_operand);
  RandomKey key = random_key(site.evaluation ? kEvaluationStream : kMatmulStream, site.seed, site.step, site.site,
                             static_cast<std::uint16_t>(slot));
  key.step_at = site.step_at;
  return key;
}

Quantized quantize_slot(const at::Tensor& x, const Quantizer& quantizer, Contraction contraction,
                        const MatmulSite& site, Slot slot, bool as_bf16, const float* known_amax) {
  const auto number = static_cast<std::uint16_t>(slot);
  if (site.observer) site.observer->see(site.site, slot, x);
  ScaleState state;
  const bool is_delayed = site.scales != nullptr && quantizer.scaling_if<DelayedScaling>() != nullptr;
  if (is_delayed) {
    const bool needs_amax = site.scales->needs_amax(site.site, number, quantizer);
    const float amax = needs_amax ? amax_of(x) : 0.0f;
    state = site.scales->scale_for(site.site, number, quantizer, amax);
  }
  Quantized result =
      quantize(x, quantizer, contraction, slot_key(site, slot), state, {as_bf16, site.observer != nullptr, known_amax});
  if (site.observer || (is_delayed && !site.evaluation && site.ledger == nullptr)) result.know_numbers();
  if (is_delayed && !site.evaluation) record_amax(site, number, result);
  if (site.observer && result.events.total > 0) site.observer->observe(site.site, slot, result.events);
  if (site.observer) {
    const at::Tensor oriented = contraction == Contraction::AxisBefore ? x.transpose(-2, -1) : x;
    notify_quantized(site, slot, quantizer, quantizer.hadamard ? at::Tensor() : oriented, result);
  }
  return result;
}

// Deterministic rounding of the same values gives the same bits where the scales do not depend on the contraction.
// Stochastic slots draw from different streams and never share.
bool share_quantization(const Quantizer& first, const Quantizer& second) {
  return first == second && serves_both_contractions(first);
}

at::Tensor QuantizedProduct::forward(const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias,
                                     const at::Tensor& out) {
  return forward_as({bias, out, causal(site_.precision->fprop.first, Causal::Result, Causal::FirstPast)}, x, w);
}

at::Tensor QuantizedProduct::forward_in_bf16(const at::Tensor& x, const at::Tensor& w) {
  GemmResult result;
  result.as_bf16 = true;
  return forward_as(result, x, w);
}

at::Tensor QuantizedProduct::forward_as(const GemmResult& result, const at::Tensor& x, const at::Tensor& w) {
  const SitePrecision& p = *site_.precision;
  const bool as_bf16 = runs_on_bf16(p.fprop, x);
  Quantized qx = quantize_slot(x, p.fprop.first, Contraction::LastAxis, site_, Slot::FpropX, as_bf16);
  Quantized qw = quantize_slot(w, p.fprop.second, Contraction::LastAxis, site_, Slot::FpropW, as_bf16);
  at::Tensor y = multiply(Pass::Fprop, qx, qw, result);
  x_ = kept(share_quantization(p.fprop.first, p.wgrad.second), x, qx);
  w_ = kept(share_quantization(p.fprop.second, p.dgrad.second), w, qw);
  return y;
}

void QuantizedProduct::forward_by_parts(const at::Tensor& x, const at::Tensor& w, std::int64_t size,
                                        const std::function<void(std::int64_t begin, const at::Tensor& y)>& take) {
  const SitePrecision& p = *site_.precision;
  const bool as_bf16 = runs_on_bf16(p.fprop, x);
  Quantized qx = quantize_slot(x, p.fprop.first, Contraction::LastAxis, site_, Slot::FpropX, as_bf16);
  Quantized qw = quantize_slot(w, p.fprop.second, Contraction::LastAxis, site_, Slot::FpropW, as_bf16);
  GemmArithmetic arithmetic = p.fprop.arithmetic;
  arithmetic.output = {};
  const Causal is_zero = causal(p.fprop.first, Causal::Result, Causal::FirstPast);
  const std::int64_t all = x.size(-1);
  for (std::int64_t begin = 0; begin < all; begin += size) {
    const std::int64_t part = std::min(size, all - begin);
    const Quantized a = part_of_operand(qx, causal_ == CausalPart::X ? begin : 0, begin, part),
                    b = part_of_operand(qw, 0, begin, part);
    take(begin, multiply(Pass::Fprop, arithmetic, a, b, {{}, {}, is_zero}));
  }
  w_ = kept(share_quantization(p.fprop.second, p.dgrad.second), w, qw);
}

void QuantizedProduct::round_product(const at::Tensor& y) const {
  round_output(y, 1.0f, site_.precision->fprop.arithmetic.output, slot_key(site_, Slot::FpropOut));
}

// One choice for both passes keeps the quantized operand, else the original.
QuantizedProduct::Operand QuantizedProduct::kept(bool shared, const at::Tensor& original, Quantized& quantized) {
  return shared ? Operand{{}, std::move(quantized)} : Operand{original, {}};
}

// An operand for its second GEMM, which sums over its other axis.
Quantized QuantizedProduct::requantize(const Operand& operand, const Quantizer& quantizer, Slot slot,
                                       bool as_bf16) const {
  if (!operand.original.defined()) {
    Quantized shared = operand.quantized.transposed();
    notify_quantized(site_, slot, quantizer, {}, shared);
    return shared;
  }
  return quantize_slot(operand.original, quantizer, Contraction::AxisBefore, site_, slot, as_bf16);
}

Causal QuantizedProduct::causal(const Quantizer& quantizer, Causal if_y, Causal if_x) const {
  if (causal_ == CausalPart::None || !quantizer.element.format.zero) return Causal::No;
  return causal_ == CausalPart::Y ? if_y : if_x;
}

at::Tensor QuantizedProduct::multiply(Pass pass, const Quantized& a, const Quantized& b,
                                      const GemmResult& result) const {
  return multiply(pass, site_.precision->pass(pass).arithmetic, a, b, result);
}

at::Tensor QuantizedProduct::multiply(Pass pass, const GemmArithmetic& arithmetic, const Quantized& a,
                                      const Quantized& b, const GemmResult& result) const {
  GemmResult by_ledger = result;
  by_ledger.ledger = site_.ledger;
  const PlannedGemm planned = plan_gemm(a, b, arithmetic, by_ledger);
  if (site_.products) site_.products->multiply(site_.site, pass, planned.plan.kind);
  return run_gemm(planned, slot_key(site_, output_of(pass)));
}

Quantized QuantizedProduct::quantized_gradient(const at::Tensor& dy, bool as_bf16) const {
  const Quantizer& quantizer = site_.precision->dgrad.first;
  if (dy.scalar_type() != at::kBFloat16)
    return quantize_slot(dy, quantizer, Contraction::LastAxis, site_, Slot::DgradDy, as_bf16);
  Quantized taken;  // whose quantum nobody has looked for
  taken.values = dy;
  taken.format = quantizer.element.format;
  return taken;
}

QuantizedProduct::Gradients QuantizedProduct::backward(const at::Tensor& dy, const Needs& needs) {
  const SitePrecision& p = *site_.precision;
  Gradients result;
  Quantized qdy;
  if (needs.dx) {
    const bool as_bf16 = runs_on_bf16(p.dgrad, dy);
    qdy = quantized_gradient(dy, as_bf16);
    const Quantized qw = requantize(w_, p.dgrad.second, Slot::DgradW, as_bf16);
    result.dx =
        multiply(Pass::Dgrad, qdy, qw, {{}, needs.dx_out, causal(p.dgrad.first, Causal::FirstPast, Causal::Result)});
  }
  if (needs.dw) {
    const bool as_bf16 = runs_on_bf16(p.wgrad, dy);
    const bool is_rounded = dy.scalar_type() == at::kBFloat16;
    if (is_rounded && !needs.dx) qdy = quantized_gradient(dy, as_bf16);
    if (is_rounded || (needs.dx && share_quantization(p.dgrad.first, p.wgrad.first))) {
      qdy = qdy.transposed();
      notify_quantized(site_, Slot::WgradDy, p.wgrad.first, {}, qdy);
    } else {
      // Of two roundings with random words of their own the amax is one.
      const float* const amax = p.dgrad.first == p.wgrad.first ? qdy.amax() : nullptr;
      qdy = quantize_slot(dy, p.wgrad.first, Contraction::AxisBefore, site_, Slot::WgradDy, as_bf16, amax);
    }
    const Quantized qx = requantize(x_, p.wgrad.second, Slot::WgradX, as_bf16);
    const Quantizer& pairs = causal_ == CausalPart::X ? p.wgrad.second : p.wgrad.first;
    result.dw =
        multiply(Pass::Wgrad, qdy, qx, {{}, needs.dw_out, causal(pairs, Causal::FirstAhead, Causal::SecondAhead)});
  }
  return result;
}

at::Tensor quantized_linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias, const MatmulSite& site) {
  return run_linear(x, w, bias, std::make_unique<MatmulOperation>(site));
}

bool is_bf16_outside(const MatmulSite& site, const at::Tensor& x) {
  const SitePrecision& p = *site.precision;
  const MatmulCpu& matmuls = matmuls_of(x);
  const auto multiplies_bf16 = [&](const GemmPrecision& gemm) {
    return is_unscaled(gemm) && runs_on_bf16(gemm, x) && matmuls.avx512;
  };
  return !x.is_cpu() && site.observer == nullptr && becomes_bf16(p.fprop.arithmetic.output) &&
         becomes_bf16(p.dgrad.first) && p.wgrad.first == p.dgrad.first && multiplies_bf16(p.fprop) &&
         multiplies_bf16(p.dgrad) && multiplies_bf16(p.wgrad);
}

at::Tensor bf16_linear(const at::Tensor& x, const at::Tensor& w, const MatmulSite& site) {
  return run_linear(x, w, {}, std::make_unique<MatmulOperation>(site, true));
}

at::Tensor quantized_matmul(const at::Tensor& x, const at::Tensor& w, const MatmulSite& site) {
  PRECIPICE_CHECK(x.dim() == w.dim() && x.dim() > 2 && x.size(-1) == w.size(-1), "x ", x.sizes(), " does not fit w ",
                  w.sizes());
  return run_operation(std::make_unique<MatmulOperation>(site), {x, w})[0];
}

}  // namespace precipice
