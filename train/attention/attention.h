// SPDX-License-Identifier: Apache-2.0
// Causal attention of many query heads over as many or fewer key and value heads (Shazeer 2019; Ainslie et al. 2023):
//   O = softmax(Q K^T / sqrt(D)) V, query head h on key head h / (H / G).
// The H / G query heads of one key head are the rows of one product, so keys and values are quantized once and their
// gradient sums over the heads inside the product. One operation: products write where the next reader wants them.
#pragma once

#include <ATen/core/Tensor.h>

#include "precision/autograd/quantized_matmul.h"

namespace precipice {

// Looks at what the softmax takes and gives: the products with the keys (B, H, T, T), before scale and mask, and the
// weights before they are rounded.
class AttentionObserver {
 public:
  virtual ~AttentionObserver() = default;
  virtual void attend(std::int64_t layer, const at::Tensor& scores, const at::Tensor& weights, double scale) = 0;
};

// q (B, T, H, D), k and v (B, T, G, D), G divides H  ->  (B, T, H * D). `softmax` rounds the weights before PV.
at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const MatmulSite& qk,
                            const MatmulSite& pv, const ElementQuantizer& softmax,
                            AttentionObserver* observer = nullptr, std::int64_t layer = 0);

// The same for queries, keys and values side by side, as one linear makes them: qkv (B, T, (H + 2 G) D).
at::Tensor causal_attention(const at::Tensor& qkv, std::int64_t heads, std::int64_t groups, const MatmulSite& qk,
                            const MatmulSite& pv, const ElementQuantizer& softmax,
                            AttentionObserver* observer = nullptr, std::int64_t layer = 0);

}  // namespace precipice
