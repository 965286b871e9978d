// SPDX-License-Identifier: Apache-2.0
#include "train/attention.h"

#include <cmath>

#include "precision/check.h"
#include "precision/round_tensor.h"
#include "train/causal_softmax.h"

namespace precipice {

at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const MatmulSite& qk,
                            const MatmulSite& pv, const MatrixQuantizer& softmax, AttentionObserver* observer,
                            std::int64_t layer) {
  const std::int64_t batch = q.size(0), length = q.size(1), heads = q.size(2), depth = q.size(3), groups = k.size(2);
  PRECIPICE_CHECK(heads % groups == 0, groups, " key heads do not divide ", heads, " query heads");
  const auto grouped = [&](const at::Tensor& x) {  // (B, H, T, .) -> (B, G, H / G * T, .)
    return heads == groups ? x : x.reshape({batch, groups, heads / groups * length, x.size(-1)});
  };
  const auto per_head = [&](const at::Tensor& x) {
    return heads == groups ? x : x.view({batch, heads, length, x.size(-1)});
  };
  const at::Tensor queries = grouped(q.transpose(1, 2)), keys = k.transpose(1, 2), values = v.permute({0, 2, 3, 1});
  const at::Tensor scores = per_head(quantized_matmul(queries, keys, qk));  // (B, H, T, T)
  const double scale = 1.0 / std::sqrt(static_cast<double>(depth));
  const at::Tensor exact = causal_softmax(round_gradient(scores, softmax), scale);
  if (observer) observer->attend(layer, scores, exact, scale);
  const at::Tensor weights = round_tensor(exact, softmax);
  const at::Tensor mixed = per_head(quantized_matmul(grouped(weights), values, pv));  // (B, H, T, D)
  return mixed.transpose(1, 2).reshape({batch, length, heads * depth});
}

}  // namespace precipice
