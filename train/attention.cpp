// SPDX-License-Identifier: Apache-2.0
#include "train/attention.h"

#include <ATen/ops/empty.h>

#include <cmath>

#include "precision/check.h"
#include "precision/operation.h"
#include "precision/round_tensor.h"
#include "train/causal_softmax.h"

namespace precipice {
namespace {

struct Heads {
  std::int64_t batch, length, heads, groups, depth;
};

// Queries, keys and values (B, T, ., D) in one tensor or in three.
struct Parts {
  at::Tensor q, k, v;

  static Parts of(const Tensors& tensors, const Heads& h) {
    if (tensors.size() == 3) return {tensors[0], tensors[1], tensors[2]};
    const auto part = [&](std::int64_t first, std::int64_t heads) {
      return tensors[0].narrow(-1, first * h.depth, heads * h.depth).view({h.batch, h.length, heads, h.depth});
    };
    return {part(0, h.heads), part(h.heads, h.groups), part(h.heads + h.groups, h.groups)};
  }
};

// {qkv} or {q, k, v} -> what the heads mixed, (B, T, H * D)
class AttentionOperation : public Operation {
 public:
  AttentionOperation(const Heads& heads, const MatmulSite& qk, const MatmulSite& pv, const MatrixQuantizer& softmax,
                     AttentionObserver* observer, std::int64_t layer)
      : h_(heads),
        qk_(qk, groups_differ() ? CausalPart::None : CausalPart::Y),
        // A rounding of all gradients of P looks at those of the future too.
        pv_(pv, groups_differ() || !softmax.is_identity() ? CausalPart::None : CausalPart::X),
        softmax_(softmax),
        observer_(observer),
        layer_(layer) {}

  Tensors forward(const Tensors& inputs) override {
    const Parts parts = Parts::of(inputs, h_);
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

  Tensors backward(const Tensors& gradients, const std::vector<bool>& needed) override {
    const at::Tensor dmixed =
        gradients[0].contiguous().view({h_.batch, h_.length, h_.heads, h_.depth}).transpose(1, 2);  // (B, H, T, D)
    const auto empty = [&](std::int64_t heads) {
      return at::empty({h_.batch, h_.length, heads, h_.depth}, dmixed.options());
    };
    const bool packed = needed.size() == 1;
    Tensors results = packed ? Tensors{empty(h_.heads + 2 * h_.groups).view({h_.batch, h_.length, -1})}
                             : Tensors{empty(h_.heads), empty(h_.groups), empty(h_.groups)};
    const Parts d = Parts::of(results, h_);
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
  MatrixQuantizer softmax_;
  AttentionObserver* observer_;
  std::int64_t layer_;
  at::Tensor p_;  // (B, H, T, T), before rounding
};

void check(const Heads& h) {
  PRECIPICE_CHECK(h.heads % h.groups == 0, h.groups, " key heads do not divide ", h.heads, " query heads");
}

}  // namespace

at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const MatmulSite& qk,
                            const MatmulSite& pv, const MatrixQuantizer& softmax, AttentionObserver* observer,
                            std::int64_t layer) {
  const Heads heads{q.size(0), q.size(1), q.size(2), k.size(2), q.size(3)};
  check(heads);
  return run_operation(std::make_unique<AttentionOperation>(heads, qk, pv, softmax, observer, layer), {q, k, v})[0];
}

at::Tensor causal_attention(const at::Tensor& qkv, std::int64_t heads, std::int64_t groups, const MatmulSite& qk,
                            const MatmulSite& pv, const MatrixQuantizer& softmax, AttentionObserver* observer,
                            std::int64_t layer) {
  const Heads h{qkv.size(0), qkv.size(1), heads, groups, qkv.size(2) / (heads + 2 * groups)};
  check(h);
  PRECIPICE_CHECK(h.depth * (heads + 2 * groups) == qkv.size(2), heads, " and ", groups, " heads of ", qkv.sizes());
  return run_operation(std::make_unique<AttentionOperation>(h, qk, pv, softmax, observer, layer), {qkv})[0];
}

}  // namespace precipice
