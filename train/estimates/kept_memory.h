// SPDX-License-Identifier: Apache-2.0
// What a forward pass keeps for the backward pass, and what passes hold besides for a moment, in bytes, by arithmetic.
// T tokens of a batch, C width, K width of all keys, F width of the MLP, V vocabulary, H heads, L context, S = T L H
// attention weights. Of every layer are kept
//   stream       at each norm its input, 4 C T, and two statistics of each row (train/model/norm.cpp)
//   operands     of each matmul's two operands the quantized one, where both of its passes share that (2 bytes on the
//                bf16 carrier, 4 on the fp32 one), else the original (precision/autograd/quantized_matmul.h); an
//                original of weights is the parameter itself
//   attention    the softmax's result in fp32, 4 S; where attention does not go head by head (observed, grouped or
//                scaled; train/attention/headwise_attention.h) its quantized copy as well. On a GPU in place of both 8 T H,
//                where it is one kernel and not observed (train/attention/fused_attention.h)
//   activation   GELU's derivative, 4 F T (train/model/gelu.cpp); of SwiGLU gate, silu(gate) and up, 12 F T
//                (train/model/swiglu.cpp)
#pragma once

#include "precision/policy/policy.h"
#include "train/config/run_config.h"

namespace precipice {

struct PassMemory {
  double stream = 0, operands = 0, weight_operands = 0, attention = 0, activation = 0;  // kept, of all layers
  double copies = 0;                                                                    // quantized ones among that
  double logits = 0;                                                                    // held for the whole step
  double passing = 0;  // what is held besides when most is held
  double forward = 0;  // the most that a pass which keeps nothing holds, with its logits
  double kept() const { return stream + operands + weight_operands + attention + activation; }
  double peak() const { return kept() + logits + passing; }
};

struct PassOptions {
  std::int64_t batch = 1;      // sequences
  bool observed = false;       // a probe looks at operands
  bool own_gradients = false;  // gradients of parameters have no room beforehand
};
PassMemory pass_memory(const RunConfig& config, const PrecisionPolicy& policy, const PassOptions& options);

}  // namespace precipice
