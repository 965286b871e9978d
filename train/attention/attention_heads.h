// SPDX-License-Identifier: Apache-2.0
// Shapes of attention, and its inputs head by head.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "precision/autograd/operation.h"

namespace precipice {

struct Heads {
  std::int64_t batch, length, heads, groups, depth;
};

// Queries, keys and values (B, T, ., D) in one tensor (B, T, (H + 2 G) D) or in three.
struct HeadParts {
  at::Tensor q, k, v;

  static HeadParts of(const Tensors& tensors, const Heads& h) {
    if (tensors.size() == 3) return {tensors[0], tensors[1], tensors[2]};
    const auto part = [&](std::int64_t first, std::int64_t heads) {
      return tensors[0].narrow(-1, first * h.depth, heads * h.depth).view({h.batch, h.length, heads, h.depth});
    };
    return {part(0, h.heads), part(h.heads, h.groups), part(h.heads + h.groups, h.groups)};
  }
};

}  // namespace precipice
