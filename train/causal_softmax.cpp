// SPDX-License-Identifier: Apache-2.0
#include "train/causal_softmax.h"

#include <ATen/Parallel.h>
#include <ATen/ops/_softmax.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>

#include "train/row_sums.h"

namespace precipice {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kRowsPerTask = 64;

void mask_row(const float* scores, float* out, std::int64_t past, std::int64_t length, float scale) {
  for (std::int64_t j = 0; j < past; ++j) out[j] = scores[j] * scale;
  std::fill(out + past, out + length, -std::numeric_limits<float>::infinity());
}

struct CausalSoftmax : torch::autograd::Function<CausalSoftmax> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& scores, double scale) {
    const at::Tensor source = scores.contiguous();
    at::Tensor p = at::empty_like(source);
    const std::int64_t length = source.size(-1), rows = source.numel() / std::max<std::int64_t>(length, 1);
    const float* in = source.const_data_ptr<float>();
    float* out = p.mutable_data_ptr<float>();
    at::parallel_for(0, rows, kRowsPerTask, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row)
        mask_row(in + row * length, out + row * length, row % length + 1, length, static_cast<float>(scale));
    });
    at::_softmax_out(p, p, -1, false);
    ctx->save_for_backward({p});
    ctx->saved_data["scale"] = scale;
    return p;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const at::Tensor p = ctx->get_saved_variables()[0], dp = gradients[0].contiguous();
    const auto scale = static_cast<float>(ctx->saved_data["scale"].toDouble());
    at::Tensor ds = at::empty_like(p);
    const std::int64_t length = p.size(-1), rows = p.numel() / std::max<std::int64_t>(length, 1);
    const float *weights = p.const_data_ptr<float>(), *upstream = dp.const_data_ptr<float>();
    float* out = ds.mutable_data_ptr<float>();
    at::parallel_for(0, rows, kRowsPerTask, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const float *w = weights + row * length, *g = upstream + row * length;
        const std::int64_t past = row % length + 1;
        const float mean = dot(w, g, past);
        for (std::int64_t j = 0; j < past; ++j) out[row * length + j] = scale * w[j] * (g[j] - mean);
        std::fill(out + row * length + past, out + (row + 1) * length, 0.0f);
      }
    });
    return {ds, at::Tensor()};
  }
};

}  // namespace

at::Tensor causal_softmax(const at::Tensor& scores, double scale) {
  return CausalSoftmax::apply(scores, scale);
}

}  // namespace precipice
