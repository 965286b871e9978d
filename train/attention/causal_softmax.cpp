// SPDX-License-Identifier: Apache-2.0
#include "train/attention/causal_softmax.h"

#include <algorithm>

#include "precision/base/check.h"
#include "precision/kernels/row_kernels.h"
#include "precision/quantize/parallel.h"

namespace precipice {
namespace {

constexpr std::int64_t kRowsPerTask = 64;

// body(first_row, last_row) over the rows of square matrices.
template <class Body>
void for_rows(const at::Tensor& x, const Body& body) {
  PRECIPICE_CHECK(x.is_contiguous() && x.dim() >= 2 && x.size(-1) == x.size(-2), "square matrices, got ", x.sizes());
  at::parallel_for(0, x.numel() / std::max<std::int64_t>(x.size(-1), 1), kRowsPerTask, body);
}

}  // namespace

void causal_softmax(at::Tensor& scores, double scale) {
  float* data = scores.mutable_data_ptr<float>();
  for_rows(scores, [&](std::int64_t first, std::int64_t last) {
    const std::int64_t length = scores.size(-1);
    row_kernels().causal_softmax(data + first * length, length, static_cast<float>(scale), first, last);
  });
}

void causal_softmax_backward(const at::Tensor& p, at::Tensor& dp, double scale, const at::Tensor& deltas) {
  PRECIPICE_CHECK(p.is_contiguous() && p.sizes() == dp.sizes(), "weights ", p.sizes(), ", gradients ", dp.sizes());
  PRECIPICE_CHECK(!deltas.defined() || (deltas.is_contiguous() && deltas.numel() * dp.size(-1) == dp.numel()),
                  "deltas ", deltas.sizes(), ", gradients ", dp.sizes());
  const float* const of_rows = deltas.defined() ? deltas.const_data_ptr<float>() : nullptr;
  const float* weights = p.const_data_ptr<float>();
  float* gradients = dp.mutable_data_ptr<float>();
  for_rows(dp, [&](std::int64_t first, std::int64_t last) {
    const std::int64_t length = dp.size(-1), begin = first * length;
    row_kernels().causal_softmax_backward(weights + begin, gradients + begin,
                                          of_rows == nullptr ? nullptr : of_rows + first, length,
                                          static_cast<float>(scale), first, last);
  });
}

}  // namespace precipice
