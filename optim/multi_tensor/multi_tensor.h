// SPDX-License-Identifier: Apache-2.0
// Multi-tensor kernels after apex's (csrc/multi_tensor_*.cu): one call walks many tensors chunk by chunk; what it does
// to an element is a functor for host and device (multi_tensor_functors.h). Arithmetic on elements is fp32; sums are in
// double, chunk by chunk in order, so that no result depends on threads. Two spans are either the same or disjoint.
// Updates of weights, one for every rule: multi_tensor_update.h.
#pragma once

#include <cstdint>
#include <vector>

namespace precipice {

struct FloatSpan {
  float* data = nullptr;
  std::int64_t size = 0;
};
using TensorList = std::vector<FloatSpan>;
// lists[d][t] is tensor t of list d; all lists have equally many tensors of equal sizes.
using TensorLists = std::vector<TensorList>;

inline constexpr std::int64_t kChunkSize = 65536;

// The global L2 norm: infinite or NaN exactly if an element is.
double multi_tensor_l2norm(const TensorList& x);
// x *= factor, and the L2 norm of the product, in one pass.
double multi_tensor_scale_l2norm(const TensorList& x, float factor);
// The L2 norm of a - b.
double multi_tensor_distance(const TensorList& a, const TensorList& b);

// By-products of an update: sums of squares in double, chunk by chunk in order.
struct UpdateNorms {
  double update = 0;  // |p_new - p_old|^2
  double weight = 0;  // |p_old|^2
};

}  // namespace precipice
