// SPDX-License-Identifier: Apache-2.0
// Causal attention (attention.h) head by head, 32 positions at a time: products, rounding and softmax follow one
// another while the rows are in the cache, and of a head's squares only the weights before rounding go to memory, for
// the backward pass. For attention without scales, of which nobody observes operands; its results are then those of the
// general operation bit for bit.
#pragma once

#include "precision/autograd/operation.h"
#include "precision/autograd/quantized_matmul.h"
#include "train/attention/attention_heads.h"

namespace precipice {

// What an observer is told of the products of a site that it serves.
ProductKind headwise_product(const SitePrecision& site);

// Whether it serves these sites.
bool serves_headwise(const Heads& heads, const MatmulSite& qk, const MatmulSite& pv);

// {qkv} or {q, k, v} -> what the heads mixed, (B, T, H * D). `keeps`: a backward pass may follow.
std::unique_ptr<Operation> headwise_attention(const Heads& heads, const MatmulSite& qk, const MatmulSite& pv,
                                              bool keeps);

}  // namespace precipice
