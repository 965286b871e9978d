// SPDX-License-Identifier: Apache-2.0
// Causal attention (attention.h) as one kernel for each direction, on a machine that has them: weights and their gradients
// never lie in memory (precision/calls/attention_calls.h), two numbers for each row of weights are kept. The bits are those of
// the general operation where sums have an order of their own, an accumulator every:format=fp32; else only the order of sums
// differs.
#pragma once

#include "precision/autograd/operation.h"
#include "precision/autograd/quantized_matmul.h"
#include "train/attention/attention_heads.h"

namespace precipice {

// Whether it serves these sites, on a machine that has it: heads of at most 64 numbers, nothing scaled, elements rounded to nearest or, of weights,
// their gradients and the upstream gradient, with random words; sums as above, or of bf16 or fp32 operands throughout where
// the machine's products have no order to keep (Machine::has_free_sums).
bool serves_fused_attention(bool has_free_sums, const MatmulCpu& matmuls, const Heads& heads, const SitePrecision& qk,
                            const SitePrecision& pv);

// {qkv} or {q, k, v} -> what the heads mixed, (B, T, H * D). `keeps`: a backward pass may follow. Of weights and their
// gradients, which it does not have, nobody is told: the sites' observers are the general operation's.
std::unique_ptr<Operation> fused_attention(const Heads& heads, const MatmulSite& qk, const MatmulSite& pv, bool keeps);

}  // namespace precipice
