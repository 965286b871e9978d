// SPDX-License-Identifier: Apache-2.0
#include "train/attention/causal_softmax.h"

#include <algorithm>

#include "precision/base/check.h"
#include "precision/quantize/device.h"

namespace precipice {
namespace {

// Of square matrices.
std::int64_t rows_of(const at::Tensor& x) {
  PRECIPICE_CHECK(x.is_contiguous() && x.dim() >= 2 && x.size(-1) == x.size(-2), "square matrices, got ", x.sizes());
  return x.numel() / std::max<std::int64_t>(x.size(-1), 1);
}

}  // namespace

void causal_softmax(at::Tensor& scores, double scale) {
  const Machine& machine = machine_of(scores);
  machine.causal_softmax(scores.mutable_data_ptr<float>(), scores.size(-1), static_cast<float>(scale), rows_of(scores),
                         machine.current_stream());
}

void causal_softmax_backward(const at::Tensor& p, at::Tensor& dp, double scale, const at::Tensor& deltas) {
  PRECIPICE_CHECK(p.is_contiguous() && p.sizes() == dp.sizes(), "weights ", p.sizes(), ", gradients ", dp.sizes());
  PRECIPICE_CHECK(!deltas.defined() || (deltas.is_contiguous() && deltas.numel() * dp.size(-1) == dp.numel()),
                  "deltas ", deltas.sizes(), ", gradients ", dp.sizes());
  const float* const of_rows = deltas.defined() ? deltas.const_data_ptr<float>() : nullptr;
  const Machine& machine = machine_of(dp);
  machine.causal_softmax_backward(p.const_data_ptr<float>(), dp.mutable_data_ptr<float>(), of_rows, dp.size(-1),
                                  static_cast<float>(scale), rows_of(dp), machine.current_stream());
}

}  // namespace precipice
