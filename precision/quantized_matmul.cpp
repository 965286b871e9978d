// SPDX-License-Identifier: Apache-2.0
#include "precision/quantized_matmul.h"

#include <torch/csrc/autograd/custom_function.h>

#include "precision/check.h"
#include "precision/gemm.h"

namespace precipice {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

RandomKey key_of(const MatmulSite& site, Slot slot) {
  // Bit 8 keeps evaluation apart from training.
  const auto operand = static_cast<std::uint16_t>(static_cast<std::uint16_t>(slot) | (site.evaluation ? 0x100u : 0u));
  return {site.seed, site.step, static_cast<std::uint32_t>(site.site), operand};
}

void tell_taken(const MatmulSite& site, Slot slot, const MatrixQuantizer& quantizer, const at::Tensor& operand,
                const Quantized& taken) {
  if (site.observer && !quantizer.is_identity()) site.observer->take(site.site, slot, operand, taken);
}

Quantized quantize_slot(const at::Tensor& x, const MatrixQuantizer& quantizer, Contraction contraction,
                        const MatmulSite& site, Slot slot, bool as_bf16) {
  const auto number = static_cast<std::uint16_t>(slot);
  if (site.observer) site.observer->see(site.site, slot, x);
  ScaleState state;
  if (quantizer.delayed && site.scales) {
    const float amax = ScaleStates::needs_amax(quantizer) ? amax_of(x) : 0.0f;
    state = site.scales->scale_for(site.site, number, quantizer, amax);
  }
  Quantized result =
      quantize(x, quantizer, contraction, key_of(site, slot), state, {as_bf16, site.observer != nullptr});
  if (quantizer.delayed && site.scales && !site.evaluation) site.scales->saw(site.site, number, result.events.amax);
  if (site.observer && result.events.total > 0) site.observer->observe(site.site, slot, result.events);
  const at::Tensor oriented = contraction == Contraction::AxisBefore ? x.transpose(-2, -1) : x;
  tell_taken(site, slot, quantizer, quantizer.hadamard ? at::Tensor() : oriented, result);
  return result;
}

// Two slots that quantize one tensor alike share the result: deterministic rounding of the same values gives the same
// bits where the scales do not depend on the contraction. Stochastic slots draw from different streams and never share.
bool shares(const MatrixQuantizer& first, const MatrixQuantizer& second) {
  return first == second && serves_both_contractions(first);
}

bool runs_on_bf16(const GemmPrecision& gemm) {
  return runs_on_bf16(gemm.first, gemm.second, gemm.arithmetic);
}

// Integers and numbers of a Quantized, as saved_data can hold them.
std::vector<double> numbers_of(const Quantized& q, bool shared) {
  return {shared ? 1.0 : 0.0, q.scale, static_cast<double>(q.block_rows), static_cast<double>(q.block_k), q.outer,
          q.quantum};
}

Quantized quantized_from(const at::Tensor& values, const at::Tensor& scales, const std::vector<double>& numbers) {
  Quantized q;
  q.values = values;
  q.scales = scales;
  q.scale = static_cast<float>(numbers[1]);
  q.block_rows = static_cast<std::int64_t>(numbers[2]);
  q.block_k = static_cast<std::int64_t>(numbers[3]);
  q.outer = static_cast<float>(numbers[4]);
  q.quantum = static_cast<float>(numbers[5]);
  return q;
}

// x (..., M, K), w (..., N, K), both 2-D or both batched.
struct MatmulFunction : torch::autograd::Function<MatmulFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& w,
                            const std::optional<at::Tensor>& bias, MatmulSite site) {
    const SitePrecision& p = *site.precision;
    const bool as_bf16 = runs_on_bf16(p.fprop);
    const Quantized qx = quantize_slot(x, p.fprop.first, Contraction::LastAxis, site, Slot::FpropX, as_bf16);
    const Quantized qw = quantize_slot(w, p.fprop.second, Contraction::LastAxis, site, Slot::FpropW, as_bf16);
    const bool shares_x = shares(p.fprop.first, p.wgrad.second), shares_w = shares(p.fprop.second, p.dgrad.second);
    ctx->save_for_backward({shares_x ? qx.values : x, shares_w ? qw.values : w, shares_x ? qx.scales : at::Tensor(),
                            shares_w ? qw.scales : at::Tensor()});
    ctx->saved_data["x"] = numbers_of(qx, shares_x);
    ctx->saved_data["w"] = numbers_of(qw, shares_w);
    ctx->saved_data["has_bias"] = bias.has_value();
    ctx->saved_data["site"] = site_words(site);
    return gemm(qx, qw, bias.value_or(at::Tensor()), p.fprop.arithmetic, key_of(site, Slot::FpropOut));
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const MatmulSite site = site_from(ctx->saved_data["site"].toIntVector());
    const SitePrecision& p = *site.precision;
    const at::Tensor dy = gradients[0].contiguous();
    const bool need_dx = ctx->needs_input_grad(0), need_dw = ctx->needs_input_grad(1);
    // An operand for its second GEMM, which sums over its other axis.
    const auto operand = [&](std::size_t index, const char* name, const MatrixQuantizer& quantizer, Slot slot,
                             bool as_bf16) {
      const std::vector<double> numbers = ctx->saved_data[name].toDoubleVector();
      if (numbers[0] != 0.0) {
        const Quantized shared = quantized_from(saved[index], saved[index + 2], numbers).transposed();
        tell_taken(site, slot, quantizer, {}, shared);
        return shared;
      }
      return quantize_slot(saved[index], quantizer, Contraction::AxisBefore, site, slot, as_bf16);
    };

    at::Tensor dx, dw, dbias;
    Quantized qdy;
    if (need_dx) {
      const bool as_bf16 = runs_on_bf16(p.dgrad);
      qdy = quantize_slot(dy, p.dgrad.first, Contraction::LastAxis, site, Slot::DgradDy, as_bf16);
      const Quantized qw = operand(1, "w", p.dgrad.second, Slot::DgradW, as_bf16);
      dx = gemm(qdy, qw, {}, p.dgrad.arithmetic, key_of(site, Slot::DgradOut));
    }
    if (need_dw) {
      const bool as_bf16 = runs_on_bf16(p.wgrad);
      if (need_dx && shares(p.dgrad.first, p.wgrad.first)) {
        qdy = qdy.transposed();
        tell_taken(site, Slot::WgradDy, p.wgrad.first, {}, qdy);
      } else {
        qdy = quantize_slot(dy, p.wgrad.first, Contraction::AxisBefore, site, Slot::WgradDy, as_bf16);
      }
      const Quantized qx = operand(0, "x", p.wgrad.second, Slot::WgradX, as_bf16);
      dw = gemm(qdy, qx, {}, p.wgrad.arithmetic, key_of(site, Slot::WgradOut));
    }
    if (ctx->saved_data["has_bias"].toBool() && ctx->needs_input_grad(2)) dbias = dy.sum(0);
    return {dx, dw, dbias, at::Tensor()};
  }

 private:
  // saved_data holds IValues, so the site travels as integers.
  static std::vector<std::int64_t> site_words(const MatmulSite& site) {
    return {reinterpret_cast<std::intptr_t>(site.precision),
            static_cast<std::int64_t>(site.site),
            static_cast<std::int64_t>(site.seed),
            static_cast<std::int64_t>(site.step),
            site.evaluation,
            reinterpret_cast<std::intptr_t>(site.observer),
            reinterpret_cast<std::intptr_t>(site.scales)};
  }
  static MatmulSite site_from(const std::vector<std::int64_t>& words) {
    return {reinterpret_cast<const SitePrecision*>(words[0]),
            static_cast<std::size_t>(words[1]),
            static_cast<std::uint64_t>(words[2]),
            static_cast<std::uint32_t>(words[3]),
            words[4] != 0,
            reinterpret_cast<QuantizationObserver*>(words[5]),
            reinterpret_cast<ScaleStates*>(words[6])};
  }
};

}  // namespace

at::Tensor quantized_linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& bias, const MatmulSite& site) {
  PRECIPICE_CHECK(w.dim() == 2 && x.size(-1) == w.size(1), "x ", x.sizes(), " does not fit w ", w.sizes());
  std::vector<std::int64_t> shape = x.sizes().vec();
  shape.back() = w.size(0);
  // autograd takes an absent tensor as nullopt only.
  const std::optional<at::Tensor> given = bias.defined() ? std::optional(bias) : std::nullopt;
  return MatmulFunction::apply(x.reshape({-1, x.size(-1)}), w, given, site).view(shape);
}

at::Tensor quantized_matmul(const at::Tensor& x, const at::Tensor& w, const MatmulSite& site) {
  PRECIPICE_CHECK(x.dim() == w.dim() && x.dim() > 2 && x.size(-1) == w.size(-1), "x ", x.sizes(), " does not fit w ",
                  w.sizes());
  return MatmulFunction::apply(x, w, std::optional<at::Tensor>(), site);
}

}  // namespace precipice
