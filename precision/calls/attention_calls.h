// SPDX-License-Identifier: Apache-2.0
// Causal attention of many heads whose weights never lie in memory as a whole, as plain data:
//   S = round(Q K^T), P = softmax of the past of S / sqrt(D), O = round(round(P) V)
//   dP = round(dO V^T), dS = P (dP - sum P dP) / sqrt(D), dQ = round(dS K), dK = round(dS^T Q), dV = round(P^T dO)
// where P and dS are rounded before they are multiplied. Query head h has key head h / (H / G), over whose query heads dK
// and dV sum. Two products with a softmax between (train/attention/attention.h), not weights under a running maximum.
#pragma once

#include <cstdint>
#include <optional>

#include "precision/base/host_device.h"
#include "precision/kernels/quantize_isa.h"

namespace precipice {

struct AttentionShape {
  std::int64_t batch = 0, length = 0, heads = 0, groups = 0, depth = 0;  // B T H G D
};

// Numbers (B, T, heads, D) where they lie: how many lie between neighbours along each axis.
struct HeadStrides {
  std::int64_t batch = 0, position = 0, head = 0, element = 1;

  PRECIPICE_HD std::int64_t place(std::int64_t in_batch, std::int64_t at, std::int64_t in_head) const {
    return in_batch * batch + at * position + in_head * head;
  }
};
struct HeadNumbers {
  const void* data = nullptr;  // fp32, or bf16 in a call that is on_bf16
  HeadStrides strides;
};
struct HeadResults {
  float* data = nullptr;
  HeadStrides strides;
};

// What happens to numbers that a kernel has at hand. Random words are those of the number's place in (B, H, T, T).
struct NumberRounding {
  bool rounds = false;
  QuantizeCall call{};  // of no array

  NumberRounding() = default;
  explicit NumberRounding(const std::optional<QuantizeCall>& given) : rounds(given.has_value()) {
    if (given) call = *given;
  }
};

struct AttentionForward {
  AttentionShape shape;
  bool on_bf16 = false;  // operands are bf16, and sums have a tensor core's order; else each is one over rising indices
  float scale = 1;       // 1 / sqrt(D)
  HeadNumbers q, k, v;
  NumberRounding to_scores, to_weights, to_output;
  HeadResults out;
  float* amax = nullptr;        // of what is written there (precision/quantize/noted_amax.h); or null
  float* statistics = nullptr;  // (B, H, T, 2): the largest scaled score of a row and its sum; or null
};

struct AttentionBackward {
  AttentionShape shape;
  bool on_bf16 = false;
  float scale = 1;
  HeadNumbers q, k, v;
  HeadNumbers of_weights, of_values;  // dO as it is multiplied with V, and with P
  const float* statistics = nullptr;
  NumberRounding to_scores, to_weights;       // of the forward pass; weights as dV's product takes them
  NumberRounding to_upstream;                 // dP
  NumberRounding to_query_side, to_key_side;  // dS as dQ's product takes it, and dK's
  NumberRounding to_dq, to_dk, to_dv;
  HeadResults dq, dk, dv;
  float* amax = nullptr;  // of all three; or null
};

// What a kernel has room for.
inline constexpr std::int64_t kAttentionDepth = 64;

// How it may round: to nearest, or with random words.
constexpr bool rounds_in_attention(Rounding rounding) {
  return rounding == Rounding::NearestEven || rounding == Rounding::Stochastic;
}

}  // namespace precipice
