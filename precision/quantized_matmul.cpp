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

Quantized quantize_slot(const at::Tensor& x, const QuantizerConfig& config, const MatmulSite& site, Slot slot) {
  Quantized result = quantize(x, config, key_of(site, slot));
  if (site.observer && result.events.total > 0) site.observer->observe(site.site, slot, result.events);
  return result;
}

// Two slots that quantize one tensor alike share the result: deterministic rounding of the same values gives the same
// bits. Stochastic slots draw from different streams and never share.
bool shares(const QuantizerConfig& first, const QuantizerConfig& second) {
  return first == second && !first.is_stochastic();
}

// What backward needs of one operand: the quantized tensor when its second slot shares it, else the tensor itself.
struct Saved {
  bool quantized = false;
  float scale_inv = 1.0f;
};

Quantized restore(const at::Tensor& tensor, const Saved& saved, const QuantizerConfig& config, const MatmulSite& site,
                  Slot slot) {
  if (saved.quantized) return {tensor, saved.scale_inv, {}};
  return quantize_slot(tensor, config, site, slot);
}

at::Tensor transposed(const at::Tensor& x) {
  return x.transpose(-2, -1);
}

Quantized transposed(Quantized q) {
  q.values = transposed(q.values);
  return q;
}

// x (..., M, K), w (..., N, K), both 2-D or both batched.
struct MatmulFunction : torch::autograd::Function<MatmulFunction> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& w,
                            const std::optional<at::Tensor>& bias, MatmulSite site) {
    const SitePrecision& p = *site.precision;
    const Quantized qx = quantize_slot(x, p.fprop.first, site, Slot::FpropX);
    const Quantized qw = quantize_slot(w, p.fprop.second, site, Slot::FpropW);
    const Saved saved_x{shares(p.fprop.first, p.wgrad.second), qx.scale_inv};
    const Saved saved_w{shares(p.fprop.second, p.dgrad.second), qw.scale_inv};
    ctx->save_for_backward({saved_x.quantized ? qx.values : x, saved_w.quantized ? qw.values : w});
    ctx->saved_data["scales"] = std::vector<double>{saved_x.scale_inv, saved_w.scale_inv};
    ctx->saved_data["has_bias"] = bias.has_value();
    ctx->saved_data["site"] = site_words(site);
    return gemm(qx, transposed(qw), bias.value_or(at::Tensor()), p.fprop.output, key_of(site, Slot::FpropOut));
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const MatmulSite site = site_from(ctx->saved_data["site"].toIntVector());
    const auto scales = ctx->saved_data["scales"].toDoubleVector();
    const SitePrecision& p = *site.precision;
    const at::Tensor dy = gradients[0].contiguous();
    const Saved saved_x{shares(p.fprop.first, p.wgrad.second), static_cast<float>(scales[0])};
    const Saved saved_w{shares(p.fprop.second, p.dgrad.second), static_cast<float>(scales[1])};
    const bool need_dx = ctx->needs_input_grad(0), need_dw = ctx->needs_input_grad(1);

    at::Tensor dx, dw, dbias;
    Quantized qdy;
    if (need_dx) {
      qdy = quantize_slot(dy, p.dgrad.first, site, Slot::DgradDy);
      const Quantized qw = restore(saved[1], saved_w, p.dgrad.second, site, Slot::DgradW);
      dx = gemm(qdy, qw, {}, p.dgrad.output, key_of(site, Slot::DgradOut));
    }
    if (need_dw) {
      if (!need_dx || !shares(p.dgrad.first, p.wgrad.first))
        qdy = quantize_slot(dy, p.wgrad.first, site, Slot::WgradDy);
      const Quantized qx = restore(saved[0], saved_x, p.wgrad.second, site, Slot::WgradX);
      dw = gemm(transposed(qdy), qx, {}, p.wgrad.output, key_of(site, Slot::WgradOut));
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
            reinterpret_cast<std::intptr_t>(site.observer)};
  }
  static MatmulSite site_from(const std::vector<std::int64_t>& words) {
    return {reinterpret_cast<const SitePrecision*>(words[0]),
            static_cast<std::size_t>(words[1]),
            static_cast<std::uint64_t>(words[2]),
            static_cast<std::uint32_t>(words[3]),
            words[4] != 0,
            reinterpret_cast<QuantizationObserver*>(words[5])};
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
