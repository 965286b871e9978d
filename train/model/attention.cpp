// SPDX-License-Identifier: Apache-2.0
#include "train/model/attention.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>

#include "precision/autograd/operation.h"
#include "precision/autograd/round_tensor.h"
#include "precision/base/check.h"
#include "train/model/causal_softmax.h"
#include "train/model/headwise_attention.h"

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
        softmax_(softmax),
        observer_(observer),
        layer_(layer) {}

  Tensors forward(const Tensors& inputs) override {
    const HeadParts parts = HeadParts::of(inputs, h_);
    at::Tensor scores =
        per_head(qk_.forward(grouped(parts.q.transpose(1, 2)), parts.k.transpose(1, 2)));  // (B, H, T, T)
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
    at::Tensor dp = per_head(pv_.backward(grouped(dmixed), {true, true, {}, d.v.permute({0, 2, 3, 1})}).dx);
    dp = rounded(dp, softmax_);
    causal_softmax_backward(p_, dp, scale());
    const at::Tensor ds = rounded(dp, softmax_);
    fill_per_head(d.q.transpose(1, 2), [&](const at::Tensor& out) {
      return qk_.backward(grouped(ds), {true, true, out, d.k.transpose(1, 2)}).dx;
    });
    return results;
  }

 private:
  double scale() const { return 1.0 / std::sqrt(static_cast<double>(h_.depth)); }
  bool groups_differ() const { return h_.heads != h_.groups; }
  // (B, H, T, .) -> (B, G, H / G * T, .): the heads of one key head as rows of one product
  at::Tensor grouped(const at::Tensor& x) const {
    if (!groups_differ()) return x;
    return x.reshape({h_.batch, h_.groups, h_.heads / h_.groups * h_.length, x.size(-1)});
  }
  at::Tensor per_head(const at::Tensor& x) const {
    return groups_differ() ? x.view({h_.batch, h_.heads, h_.length, x.size(-1)}) : x;
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
  ElementQuantizer softmax_;
  AttentionObserver* observer_;
  std::int64_t layer_;
  at::Tensor p_;  // (B, H, T, T), before rounding
};

void check(const Heads& h) {
  PRECIPICE_CHECK(h.heads % h.groups == 0, h.groups, " key heads do not divide ", h.heads, " query heads");
}

at::Tensor run_attention(const Heads& heads, const Tensors& inputs, const MatmulSite& qk, const MatmulSite& pv,
                         const ElementQuantizer& softmax, AttentionObserver* observer, std::int64_t layer) {
  check(heads);
  if (observer == nullptr && softmax.is_identity() && serves_headwise(heads, qk, pv)) {
    const bool keeps = at::GradMode::is_enabled() &&
                       std::any_of(inputs.begin(), inputs.end(), [](const at::Tensor& x) { return x.requires_grad(); });
    return run_operation(headwise_attention(heads, qk, pv, keeps), inputs)[0];
  }
  return run_operation(std::make_unique<AttentionOperation>(heads, qk, pv, softmax, observer, layer), inputs)[0];
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
