// SPDX-License-Identifier: Apache-2.0
// Operations of models in plain fp32, written with operations of ATen's that autograd can differentiate twice: the
// models' own nodes (quantized matmul, causal softmax, norms, rotary positions) can be only once. No rounding of any
// recipe is in them. A forward pass of them (ForwardContext::plain) has the losses and gradients of the model's own in
// fp32, up to the order of sums.
#pragma once

#include <ATen/core/Tensor.h>

#include "train/attention/rope.h"
#include "train/model/norm.h"

namespace precipice::plain {

// tokens (B, T) int64, weight (V, C), positions (>= T, C) or undefined  ->  (B, T, C)
at::Tensor embed(const at::Tensor& tokens, const at::Tensor& weight, const at::Tensor& positions);

// x (..., in), weight (out, in), bias (out) or undefined  ->  (..., out)
at::Tensor linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

// Over the last dimension.
at::Tensor normalise(const at::Tensor& x, const Norm& norm, double eps);

// x (B, T, H, D)  ->  the same, turned as in rope.h
at::Tensor rotated(const at::Tensor& x, const RopeTable& table);

// q (B, T, H, D), k and v (B, T, G, D), G divides H  ->  (B, T, H * D), as in attention.h
at::Tensor causal_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v);

}  // namespace precipice::plain
