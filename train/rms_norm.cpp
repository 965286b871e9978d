// SPDX-License-Identifier: Apache-2.0
#include "train/rms_norm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "precision/check.h"
#include "train/row_sums.h"

namespace precipice {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kElementsPerTask = 32768;

std::int64_t rows_per_task(std::int64_t width) {
  return std::max<std::int64_t>(1, kElementsPerTask / width);
}

struct RmsNorm : torch::autograd::Function<RmsNorm> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight, double eps) {
    const at::Tensor source = x.contiguous();
    const std::int64_t width = weight.numel(), rows = source.numel() / width;
    at::Tensor y = at::empty_like(source), inverse = at::empty({rows}, source.options());
    const float *in = source.const_data_ptr<float>(), *gain = weight.const_data_ptr<float>();
    float *out = y.mutable_data_ptr<float>(), *inverses = inverse.mutable_data_ptr<float>();
    at::parallel_for(0, rows, rows_per_task(width), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        const float* a = in + row * width;
        const float mean = dot(a, a, width) / static_cast<float>(width);
        const float r = 1.0f / std::sqrt(mean + static_cast<float>(eps));
        inverses[row] = r;
        for (std::int64_t i = 0; i < width; ++i) out[row * width + i] = a[i] * r * gain[i];
      }
    });
    ctx->save_for_backward({source, weight, inverse});
    return y;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], dy = gradients[0].contiguous();
    const std::int64_t width = weight.numel(), rows = x.numel() / width;
    at::Tensor dx = at::empty_like(x), dweight = at::empty_like(weight);
    const float *in = x.const_data_ptr<float>(), *gain = weight.const_data_ptr<float>();
    const float *upstream = dy.const_data_ptr<float>(), *inverses = saved[2].const_data_ptr<float>();
    float *out = dx.mutable_data_ptr<float>(), *dgain = dweight.mutable_data_ptr<float>();
    at::parallel_for(0, rows, rows_per_task(width), [&](std::int64_t begin, std::int64_t end) {
      std::vector<float> scaled(static_cast<std::size_t>(width));
      for (std::int64_t row = begin; row < end; ++row) {
        const float *a = in + row * width, *g = upstream + row * width, r = inverses[row];
        for (std::int64_t i = 0; i < width; ++i) scaled[static_cast<std::size_t>(i)] = g[i] * gain[i];
        const float mean = dot(scaled.data(), a, width) / static_cast<float>(width);
        const float pull = r * r * mean;
        for (std::int64_t i = 0; i < width; ++i)
          out[row * width + i] = r * (scaled[static_cast<std::size_t>(i)] - a[i] * pull);
      }
    });
    // Split by columns, so that the order of a sum does not depend on the number of threads.
    at::parallel_for(0, width, std::max<std::int64_t>(16, kElementsPerTask / std::max<std::int64_t>(rows, 1)),
                     [&](std::int64_t begin, std::int64_t end) {
                       std::fill(dgain + begin, dgain + end, 0.0f);
                       for (std::int64_t row = 0; row < rows; ++row)
                         for (std::int64_t i = begin; i < end; ++i)
                           dgain[i] += upstream[row * width + i] * in[row * width + i] * inverses[row];
                     });
    return {dx, dweight, at::Tensor()};
  }
};

}  // namespace

at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps) {
  PRECIPICE_CHECK(weight.dim() == 1 && x.size(-1) == weight.size(0), "x ", x.sizes(), " does not fit gains ",
                  weight.sizes());
  return RmsNorm::apply(x, weight, eps);
}

}  // namespace precipice
