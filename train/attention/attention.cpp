// SPDX-License-Identifier: Apache-2.0
#include "train/attention/attention.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "precision/autograd/operation.h"
#include "precision/autograd/round_tensor.h"
#include "precision/base/check.h"
#include "precision/gemm/matmuls_of.h"
#include "precision/quantize/device.h"
#include "precision/quantize/parallel.h"
#include "train/attention/causal_softmax.h"
#include "train/attention/flash_softmax.h"
#include "train/attention/fused_attention.h"
#include "train/attention/headwise_attention.h"

namespace precipice {
namespace {

// {qkv} or {q, k, v} -> what the heads mixed, (B, T, H * D)
class AttentionOperation : public Operation {
 public:
  AttentionOperation(const Heads& heads, const MatmulSite& qk, const MatmulSite& pv, const ElementQuantizer& softmax,
                     AttentionObserver* observer, std::int64_t layer)
      : h_(heads),
        qk_(qk, groups_differ() ? CausalPart::None : CausalPart::Y),
        // A rounding of all gradients of P looks at those of the future too.
        pv_(pv, groups_differ() || !softmax.is_identity() ? CausalPart::None : CausalPart::X),
        flash_(pv.precision->flash),
        weights_(pv.precision->fprop.first.element),
        softmax_(softmax),
        observer_(observer),
        layer_(layer) {}

  Tensors forward(const Tensors& inputs) override {
    const HeadParts parts = HeadParts::of(inputs, h_);
    at::Tensor scores =
        per_head(qk_.forward(grouped(parts.q.transpose(1, 2)), parts.k.transpose(1, 2)));  // (B, H, T, T)
    if (flash_.is_on) return {mix_online(scores, parts.v)};
    const at::Tensor seen = observer_ == nullptr ? at::Tensor() : scores.clone();
    causal_softmax(scores, scale());
    p_ = scores;
    if (observer_ != nullptr) observer_->attend(layer_, seen, p_, scale());
    at::Tensor mixed = at::empty({h_.batch, h_.length, h_.heads, h_.depth}, scores.options());
    fill_per_head(mixed.transpose(1, 2), [&](const at::Tensor& out) {
      return pv_.forward(grouped(rounded(p_, softmax_)), parts.v.permute({0, 2, 3, 1}), {}, out);
    });
    return {mixed.view({h_.batch, h_.length, h_.heads * h_.depth})};
  }

  Tensors backward(const Tensors& gradients, const WantedGradients& wanted) override {
    const at::Tensor dmixed =
        gradients[0].contiguous().view({h_.batch, h_.length, h_.heads, h_.depth}).transpose(1, 2);  // (B, H, T, D)
    const auto empty = [&](std::int64_t heads) {
      return at::empty({h_.batch, h_.length, heads, h_.depth}, dmixed.options());
    };
    const bool packed = wanted.size() == 1;
    Tensors results = packed ? Tensors{empty(h_.heads + 2 * h_.groups).view({h_.batch, h_.length, -1})}
                             : Tensors{empty(h_.heads), empty(h_.groups), empty(h_.groups)};
    const HeadParts d = HeadParts::of(results, h_);
    if (flash_.is_on) {
      p_ = recalled_weights();
      pv_.replace_x(grouped(p_));
    }
    at::Tensor dp = per_head(pv_.backward(grouped(dmixed), {true, true, {}, d.v.permute({0, 2, 3, 1})}).dx);
    dp = rounded(dp, softmax_);
    const bool has_deltas = flash_.is_on && flash_.delta != FlashDelta::Weights;
    causal_softmax_backward(p_, dp, scale(), has_deltas ? flash_deltas(dmixed.transpose(1, 2), output_) : at::Tensor());
    const at::Tensor ds = rounded(dp, softmax_);
    fill_per_head(d.q.transpose(1, 2), [&](const at::Tensor& out) {
      return qk_.backward(grouped(ds), {true, true, out, d.k.transpose(1, 2)}).dx;
    });
    return results;
  }

 private:
  double scale() const { return 1.0 / std::sqrt(static_cast<double>(h_.depth)); }
  FlashSoftmax flash_softmax() const { return {flash_, weights_, h_.length, scale()}; }
  bool groups_differ() const { return h_.heads != h_.groups; }
  // (B, H, T, .) -> (B, G, H / G * T, .): the heads of one key head as rows of one product
  at::Tensor grouped(const at::Tensor& x) const {
    if (!groups_differ()) return x;
    return x.reshape({h_.batch, h_.groups, h_.heads / h_.groups * h_.length, x.size(-1)});
  }
  at::Tensor per_head(const at::Tensor& x) const {
    return groups_differ() ? x.view({h_.batch, h_.heads, h_.length, x.size(-1)}) : x;
  }

  // Weights and their products with the values, of rows of queries, a block of keys after the other (flash_softmax.h).
  at::Tensor mix_online(const at::Tensor& scores, const at::Tensor& v) {
    const FlashSoftmax softmax = flash_softmax();
    const std::int64_t heads = h_.batch * h_.heads, square = h_.length * h_.length, head_size = h_.length * h_.depth;
    const at::Tensor weights = at::empty_like(scores);
    log_sums_ = at::empty({h_.batch, h_.heads, h_.length}, scores.options());
    std::vector<OnlineRows> known(static_cast<std::size_t>(heads), OnlineRows(h_.length, softmax.blocks()));
    const auto for_heads = [&](const auto& body) {
      at::parallel_for(0, heads, 1, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t head = begin; head < end; ++head) body(head, known[static_cast<std::size_t>(head)]);
      });
    };
    for_heads([&](std::int64_t head, OnlineRows& rows) {
      softmax.weigh(scores.const_data_ptr<float>() + head * square, weights.mutable_data_ptr<float>() + head * square,
                    rows, 0, 0, h_.length);
      softmax.finish(rows, log_sums_.mutable_data_ptr<float>() + head * h_.length);
    });
    const at::Tensor sums = at::empty({h_.batch, h_.heads, h_.length, h_.depth}, scores.options());
    pv_.forward_by_parts(grouped(weights), v.permute({0, 2, 3, 1}), softmax.block(),
                         [&](std::int64_t begin, const at::Tensor& product) {
                           const at::Tensor y = per_head(product.contiguous());
                           const std::int64_t rows = y.size(2), first = h_.length - rows;
                           for_heads([&](std::int64_t head, const OnlineRows& of_head) {
                             softmax.add(of_head, begin / softmax.block(), first, rows, h_.depth,
                                         y.mutable_data_ptr<float>() + head * rows * h_.depth,
                                         sums.mutable_data_ptr<float>() + head * head_size + first * h_.depth);
                           });
                         });
    for_heads([&](std::int64_t head, const OnlineRows& rows) {
      FlashSoftmax::divide(rows, 0, h_.length, h_.depth, sums.mutable_data_ptr<float>() + head * head_size);
    });
    const at::Tensor mixed = sums.transpose(1, 2).contiguous();
    scores_ = scores;
    // The output itself, kept, would keep this operation alive.
    if (flash_.delta == FlashDelta::Unrounded) output_ = mixed.clone();
    pv_.round_product(mixed);
    if (flash_.delta == FlashDelta::Rounded) output_ = mixed;
    if (observer_ != nullptr) observer_->attend(layer_, scores, recalled_weights(), scale());
    return mixed.view({h_.batch, h_.length, h_.heads * h_.depth});
  }

  // The weights, normalised, from scores and sums.
  at::Tensor recalled_weights() const {
    const FlashSoftmax softmax = flash_softmax();
    const std::int64_t square = h_.length * h_.length;
    const at::Tensor weights = at::empty_like(scores_);
    at::parallel_for(0, h_.batch * h_.heads, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t head = begin; head < end; ++head)
        softmax.recall(scores_.const_data_ptr<float>() + head * square,
                       log_sums_.const_data_ptr<float>() + head * h_.length,
                       weights.mutable_data_ptr<float>() + head * square, 0, h_.length);
    });
    return weights;
  }

  // A product per key head into `out` (B, H, T, D), directly where that has its shape.
  template <class Product>
  void fill_per_head(const at::Tensor& out, const Product& product) const {
    if (groups_differ())
      out.copy_(per_head(product(at::Tensor())));
    else
      product(out);
  }

  Heads h_;
  QuantizedProduct qk_, pv_;
  const FlashAttention& flash_;
  ElementQuantizer weights_, softmax_;
  AttentionObserver* observer_;
  std::int64_t layer_;
  at::Tensor p_;  // (B, H, T, T), before rounding
  // Of flash attention: what the weights are made of again, and O (B, T, H, D), where delta is made of it.
  at::Tensor scores_, log_sums_, output_;
};

void check(const Heads& h) {
  PRECIPICE_CHECK(h.heads % h.groups == 0, h.groups, " key heads do not divide ", h.heads, " query heads");
}

// Results by one operation, and for who looks what the general one says: of steps that nobody looks at the bits are the same.
class ObservedAttention : public Operation {
 public:
  ObservedAttention(std::unique_ptr<Operation> results, std::unique_ptr<Operation> general)
      : results_(std::move(results)), general_(std::move(general)) {}

  Tensors forward(const Tensors& inputs) override {
    general_->forward(inputs);
    return results_->forward(inputs);
  }
  Tensors backward(const Tensors& gradients, const WantedGradients& wanted) override {
    general_->backward(gradients, wanted);
    return results_->backward(gradients, wanted);
  }

 private:
  std::unique_ptr<Operation> results_, general_;
};

std::unique_ptr<Operation> operation_for(const Heads& heads, const Tensors& inputs, const MatmulSite& qk,
                                         const MatmulSite& pv, const ElementQuantizer& softmax,
                                         AttentionObserver* observer, std::int64_t layer) {
  const auto general = [&]() -> std::unique_ptr<Operation> {
    return std::make_unique<AttentionOperation>(heads, qk, pv, softmax, observer, layer);
  };
  if (!softmax.is_identity()) return general();
  const at::Tensor& first = inputs[0];
  const bool keeps = at::GradMode::is_enabled() &&
                     std::any_of(inputs.begin(), inputs.end(), [](const at::Tensor& x) { return x.requires_grad(); });
  if (first.is_cpu())
    return observer == nullptr && serves_headwise(heads, qk, pv) ? headwise_attention(heads, qk, pv, keeps) : general();
  const Machine& machine = machine_of(first);
  if (machine.attention_forward == nullptr ||
      !serves_fused_attention(machine.has_free_sums, matmuls_of(first), heads, *qk.precision, *pv.precision))
    return general();
  if (observer == nullptr && qk.observer == nullptr && pv.observer == nullptr)
    return fused_attention(heads, qk, pv, keeps);
  MatmulSite of_qk = qk, of_pv = pv;
  of_qk.products = of_pv.products = nullptr;  // the general operation tells of them
  return std::make_unique<ObservedAttention>(fused_attention(heads, of_qk, of_pv, keeps), general());
}

at::Tensor run_attention(const Heads& heads, const Tensors& inputs, const MatmulSite& qk, const MatmulSite& pv,
                         const ElementQuantizer& softmax, AttentionObserver* observer, std::int64_t layer) {
  check(heads);
  PRECIPICE_CHECK(inputs[0].is_cpu() || !pv.precision->flash.is_on, "no kernels for attention block by block on ",
                  inputs[0].device().str());
  return run_operation(operation_for(heads, inputs, qk, pv, softmax, observer, layer), inputs)[0];
}

}  // namespace

at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const MatmulSite& qk,
                            const MatmulSite& pv, const ElementQuantizer& softmax, AttentionObserver* observer,
                            std::int64_t layer) {
  const Heads heads{q.size(0), q.size(1), q.size(2), k.size(2), q.size(3)};
  return run_attention(heads, {q, k, v}, qk, pv, softmax, observer, layer);
}

at::Tensor causal_attention(const at::Tensor& qkv, std::int64_t heads, std::int64_t groups, const MatmulSite& qk,
                            const MatmulSite& pv, const ElementQuantizer& softmax, AttentionObserver* observer,
                            std::int64_t layer) {
  const Heads h{qkv.size(0), qkv.size(1), heads, groups, qkv.size(2) / (heads + 2 * groups)};
  PRECIPICE_CHECK(h.depth * (heads + 2 * groups) == qkv.size(2), heads, " and ", groups, " heads of ", qkv.sizes());
  return run_attention(h, {qkv}, qk, pv, softmax, observer, layer);
}

}  // namespace precipice
