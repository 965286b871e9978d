// SPDX-License-Identifier: Apache-2.0
#include "train/attention/fused_attention.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "precision/base/check.h"
#include "precision/gemm/expected_product.h"
#include "precision/gemm/matmuls_of.h"
#include "precision/quantize/device.h"
#include "precision/quantize/noted_amax.h"
#include "precision/quantize/piece_quantizer.h"
#include "precision/quantize/shared_quantization.h"

namespace precipice {
namespace {

bool is_served(const ElementQuantizer& element, bool draws_words) {
  if (element.is_identity()) return true;
  return element.format.zero && !element.range && rounds_in_attention(element.rounding) &&
         (draws_words || !is_stochastic(element.rounding));
}
bool is_served(const Quantizer& operand, bool draws_words) {
  return !operand.is_scaled() && !operand.hadamard && operand.arithmetic == Arithmetic::Te &&
         is_served(operand.element, draws_words);
}

// Each tensor but the gradients is quantized once for both of its passes.
bool operands_are_served(const SitePrecision& qk, const SitePrecision& pv) {
  if (!(qk.fprop.first == qk.wgrad.second) || !(qk.fprop.second == qk.dgrad.second) ||
      !(pv.fprop.second == pv.dgrad.second))
    return false;
  for (const Quantizer* tensor : {&qk.fprop.first, &qk.fprop.second, &pv.fprop.second})
    if (!is_served(*tensor, false)) return false;
  for (const Quantizer* drawn :
       {&pv.fprop.first, &pv.wgrad.second, &pv.dgrad.first, &pv.wgrad.first, &qk.dgrad.first, &qk.wgrad.first})
    if (!is_served(*drawn, true)) return false;
  return true;
}

bool sums_in_order(const Accumulator& accumulator) {
  return accumulator.kind == AccumulatorKind::Every && accumulator.format.is_fp32() &&
         accumulator.rounding == Rounding::NearestEven && accumulator.overflow == Overflow::Native;
}

// Products of a site on bf16; nothing where one is none that a kernel makes.
std::optional<int> served_products(const SitePrecision& site, const MatmulCpu& matmuls, bool free_sums) {
  int on_bf16 = 0;
  for (const Pass pass : kAllPasses) {
    const GemmPrecision& gemm = site.pass(pass);
    const bool is_library = gemm.arithmetic.accumulator.kind == AccumulatorKind::Fp32;
    if (!(is_library ? free_sums : sums_in_order(gemm.arithmetic.accumulator))) return std::nullopt;
    if (!is_served(gemm.arithmetic.output, false)) return std::nullopt;
    on_bf16 += runs_on_bf16(gemm.first, gemm.second, gemm.arithmetic, matmuls) ? 1 : 0;
  }
  return on_bf16;
}

HeadStrides strides_of(const at::Tensor& x) {
  return {x.stride(0), x.stride(1), x.stride(2), x.stride(3)};
}
HeadNumbers numbers_of(const at::Tensor& x) {
  return {x.const_data_ptr(), strides_of(x)};
}
HeadResults results_of(const at::Tensor& x) {
  return {x.mutable_data_ptr<float>(), strides_of(x)};
}

NumberRounding rounding_to(const ElementQuantizer& element, const RandomKey& key = {}) {
  return NumberRounding(PieceRounder(element, 1.0f, key).call(nullptr, 0, 0));
}

class FusedAttention : public Operation {
 public:
  FusedAttention(const Heads& heads, const MatmulSite& qk, const MatmulSite& pv, bool keeps)
      : h_(heads), qk_site_(qk), pv_site_(pv), qk_(*qk.precision), pv_(*pv.precision), keeps_(keeps) {
    for (MatmulSite* site : {&qk_site_, &pv_site_}) site->observer = nullptr;
  }

  Tensors forward(const Tensors& inputs) override {
    const HeadParts parts = HeadParts::of(inputs, h_);
    on_bf16_ = runs_on_bf16(qk_.fprop.first, qk_.fprop.second, qk_.fprop.arithmetic, matmuls_of(parts.q));
    quantize_operands(inputs, parts);
    tell_products(Pass::Fprop, parts.q);
    if (keeps_) statistics_ = at::empty({h_.batch, h_.heads, h_.length, 2}, parts.q.options());
    const at::Tensor mixed = at::empty({h_.batch, h_.length, h_.heads, h_.depth}, parts.q.options());
    AttentionForward call;
    call.shape = shape(), call.on_bf16 = on_bf16_, call.scale = scale();
    call.q = numbers_of(q_), call.k = numbers_of(k_), call.v = numbers_of(v_);
    call.to_scores = rounding_to(qk_.fprop.arithmetic.output);
    call.to_weights = rounding_to(pv_.fprop.first.element, slot_key(pv_site_, Slot::FpropX));
    call.to_output = rounding_to(pv_.fprop.arithmetic.output);
    call.out = results_of(mixed);
    call.statistics = keeps_ ? statistics_.mutable_data_ptr<float>() : nullptr;
    const AmaxOfWritten amax(mixed, true);
    call.amax = amax.room();
    const Machine& machine = machine_of(mixed);
    machine.attention_forward(call, machine.current_stream());
    amax.note();
    return {mixed.view({h_.batch, h_.length, h_.heads * h_.depth})};
  }

  Tensors backward(const Tensors& gradients, const WantedGradients& wanted) override {
    PRECIPICE_CHECK(statistics_.defined(), "the forward pass kept nothing");
    const auto empty = [&](std::int64_t heads) {
      return at::empty({h_.batch, h_.length, heads, h_.depth}, statistics_.options());
    };
    const bool packed = wanted.size() == 1;
    const Tensors results = packed ? Tensors{empty(h_.heads + 2 * h_.groups).view({h_.batch, h_.length, -1})}
                                   : Tensors{empty(h_.heads), empty(h_.groups), empty(h_.groups)};
    const HeadParts d = HeadParts::of(results, h_);
    const at::Tensor upstream = gradients[0].contiguous().view({h_.batch, h_.length, h_.heads, h_.depth});
    for (const Pass pass : {Pass::Dgrad, Pass::Wgrad}) tell_products(pass, upstream);
    const at::Tensor of_weights = quantized(upstream, pv_.dgrad.first, pv_site_, Slot::DgradDy);
    const at::Tensor of_values = share_quantization(pv_.dgrad.first, pv_.wgrad.first)
                                     ? of_weights
                                     : quantized(upstream, pv_.wgrad.first, pv_site_, Slot::WgradDy);
    AttentionBackward call = backward_call();
    call.of_weights = numbers_of(of_weights), call.of_values = numbers_of(of_values);
    call.dq = results_of(d.q), call.dk = results_of(d.k), call.dv = results_of(d.v);
    const AmaxOfWritten amax(results[0], packed);
    call.amax = amax.room();
    const Machine& machine = machine_of(statistics_);
    machine.attention_backward(call, machine.current_stream());
    amax.note();
    return results;
  }

 private:
  AttentionShape shape() const { return {h_.batch, h_.length, h_.heads, h_.groups, h_.depth}; }
  float scale() const { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(h_.depth))); }

  // All but gradients.
  AttentionBackward backward_call() const {
    AttentionBackward call;
    call.shape = shape(), call.on_bf16 = on_bf16_, call.scale = scale();
    call.q = numbers_of(q_), call.k = numbers_of(k_), call.v = numbers_of(v_);
    call.statistics = statistics_.const_data_ptr<float>();
    call.to_scores = rounding_to(qk_.fprop.arithmetic.output);
    const bool shares_weights = share_quantization(pv_.fprop.first, pv_.wgrad.second);
    call.to_weights =
        rounding_to(pv_.wgrad.second.element, slot_key(pv_site_, shares_weights ? Slot::FpropX : Slot::WgradX));
    call.to_upstream = rounding_to(pv_.dgrad.arithmetic.output);
    call.to_query_side = rounding_to(qk_.dgrad.first.element, slot_key(qk_site_, Slot::DgradDy));
    call.to_key_side = rounding_to(qk_.wgrad.first.element, slot_key(qk_site_, Slot::WgradDy));
    call.to_dq = rounding_to(qk_.dgrad.arithmetic.output);
    call.to_dk = rounding_to(qk_.wgrad.arithmetic.output);
    call.to_dv = rounding_to(pv_.wgrad.arithmetic.output);
    return call;
  }

  void tell_products(Pass pass, const at::Tensor& operand) const {
    for (const MatmulSite* site : {&qk_site_, &pv_site_}) {
      if (site->products == nullptr) continue;
      const GemmPrecision& gemm = site->precision->pass(pass);
      site->products->multiply(
          site->site, pass,
          expected_product(gemm.first, gemm.second, gemm.arithmetic, operand.size(-1), matmuls_of(operand)));
    }
  }

  // At once where all lie side by side and are rounded alike: nothing is scaled, and no words are drawn.
  void quantize_operands(const Tensors& inputs, const HeadParts& parts) {
    if (inputs.size() == 1 && qk_.fprop.first == qk_.fprop.second && qk_.fprop.first == pv_.fprop.second) {
      const HeadParts all = HeadParts::of(
          {quantize_slot(inputs[0], qk_.fprop.first, Contraction::LastAxis, qk_site_, Slot::FpropX, on_bf16_).values},
          h_);
      q_ = all.q, k_ = all.k, v_ = all.v;
      return;
    }
    q_ = quantized(parts.q, qk_.fprop.first, qk_site_, Slot::FpropX);
    k_ = quantized(parts.k, qk_.fprop.second, qk_site_, Slot::FpropW);
    v_ = quantized(parts.v, pv_.fprop.second, pv_site_, Slot::FpropW);
  }

  // (B, T, heads, D), as the general operation numbers its random words.
  at::Tensor quantized(const at::Tensor& x, const Quantizer& quantizer, const MatmulSite& site, Slot slot) const {
    return quantize_slot(x.transpose(1, 2), quantizer, Contraction::LastAxis, site, slot, on_bf16_)
        .values.transpose(1, 2);
  }

  Heads h_;
  MatmulSite qk_site_, pv_site_;
  const SitePrecision &qk_, &pv_;
  bool keeps_, on_bf16_ = false;
  at::Tensor q_, k_, v_;   // (B, T, heads, D), as they are multiplied
  at::Tensor statistics_;  // (B, H, T, 2)
};

}  // namespace

bool serves_fused_attention(bool has_free_sums, const MatmulCpu& matmuls, const Heads& h, const SitePrecision& qk,
                            const SitePrecision& pv) {
  if (h.batch * h.length == 0 || h.depth > kAttentionDepth || pv.flash.is_on) return false;
  if (!operands_are_served(qk, pv)) return false;
  const std::optional<int> of_qk = served_products(qk, matmuls, has_free_sums),
                           of_pv = served_products(pv, matmuls, has_free_sums);
  constexpr int kProducts = 6;
  return of_qk && of_pv && (*of_qk + *of_pv == 0 || *of_qk + *of_pv == kProducts);
}

std::unique_ptr<Operation> fused_attention(const Heads& heads, const MatmulSite& qk, const MatmulSite& pv, bool keeps) {
  return std::make_unique<FusedAttention>(heads, qk, pv, keeps);
}

}  // namespace precipice
