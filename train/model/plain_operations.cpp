// SPDX-License-Identifier: Apache-2.0
#include "train/model/plain_operations.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/softmax.h>

#include <cmath>
#include <limits>
#include <optional>

namespace precipice::plain {
namespace {

std::optional<at::Tensor> where_defined(const at::Tensor& x) {
  return x.defined() ? std::optional(x) : std::nullopt;
}

}  // namespace

at::Tensor embed(const at::Tensor& tokens, const at::Tensor& weight, const at::Tensor& positions) {
  const at::Tensor x = at::embedding(weight, tokens);
  return positions.defined() ? x + positions.slice(0, 0, tokens.size(1)) : x;
}

at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return at::linear(x, weight, where_defined(bias));
}

at::Tensor normalise(const at::Tensor& x, const Norm& norm, double eps) {
  if (norm.kind == NormKind::Rms) return x * at::rsqrt(x.square().mean(-1, true) + eps) * norm.weight;
  return at::layer_norm(x, norm.weight.sizes(), norm.weight, where_defined(norm.bias), eps);
}

at::Tensor rotated(const at::Tensor& x, const RopeTable& table) {
  const std::int64_t length = x.size(1), half = x.size(-1) / 2;
  const at::Tensor c = table.cosines.slice(0, 0, length).unsqueeze(1), s = table.sines.slice(0, 0, length).unsqueeze(1);
  const at::Tensor a = x.slice(-1, 0, half), b = x.slice(-1, half);
  return at::cat({a * c - b * s, b * c + a * s}, -1);
}

at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const std::int64_t batch = q.size(0), length = q.size(1), heads = q.size(2), depth = q.size(3), groups = k.size(2);
  // (B, T, G, D)  ->  (B, H, T, D): every query head has its own copy of the key head that it shares.
  const auto shared = [&](const at::Tensor& x) {
    return x.transpose(1, 2)
        .unsqueeze(2)
        .expand({batch, groups, heads / groups, length, depth})
        .reshape({batch, heads, length, depth});
  };
  const at::Tensor keys = shared(k), values = shared(v);
  const at::Tensor future = at::ones({length, length}, at::TensorOptions(at::kBool)).triu(1);
  const at::Tensor scores =
      at::matmul(q.transpose(1, 2), keys.transpose(-2, -1)) / std::sqrt(static_cast<double>(depth));
  const at::Tensor p = at::softmax(scores.masked_fill(future, -std::numeric_limits<double>::infinity()), -1);
  return at::matmul(p, values).transpose(1, 2).reshape({batch, length, heads * depth});
}

}  // namespace precipice::plain
