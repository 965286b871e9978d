// SPDX-License-Identifier: Apache-2.0
#include "train/model/swiglu.h"

#include <ATen/ops/abs.h>
#include <ATen/ops/amax.h>
#include <ATen/ops/silu.h>

#include <numeric>

namespace precipice {
namespace {

// Largest magnitude over every axis but the last (Channel), or over the last (Token).
at::Tensor largest(const at::Tensor& u, SmoothSwiglu kind) {
  std::vector<std::int64_t> axes(static_cast<std::size_t>(u.dim() - 1));
  std::iota(axes.begin(), axes.end(), 0);
  if (kind == SmoothSwiglu::Token) axes = {-1};
  const at::Tensor s = at::amax(at::abs(u.detach()), axes, kind == SmoothSwiglu::Token);
  return s.masked_fill(s.eq(0), 1.0);
}

}  // namespace

at::Tensor swiglu_down(const at::Tensor& gate, const at::Tensor& up, const at::Tensor& weight, const MatmulSite& site,
                       const ElementQuantizer& vector) {
  const SmoothSwiglu kind = site.precision->smooth_swiglu;
  const auto product = [&](const at::Tensor& u) {
    return round_tensor(round_tensor(at::silu(gate), vector).mul(u), vector);
  };
  if (kind == SmoothSwiglu::Off) return quantized_linear(product(up), weight, {}, site);
  const at::Tensor s = largest(up, kind);
  const at::Tensor hidden = product(round_tensor(up.div(s), vector));
  if (kind == SmoothSwiglu::Channel) return quantized_linear(hidden, weight.mul(s), {}, site);
  // The product was rounded to the site's output format once; what s makes of it is a tensor of that format too.
  return round_tensor(quantized_linear(hidden, weight, {}, site).mul(s), site.precision->fprop.arithmetic.output, {});
}

}  // namespace precipice
