// SPDX-License-Identifier: Apache-2.0
#include "train/attention/rope.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "precision/autograd/round_tensor.h"
#include "precision/base/check.h"
#include "precision/quantize/device.h"

namespace precipice {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// direction 1: forward; -1: back.
at::Tensor rotate(const at::Tensor& x, const at::Tensor& cosines, const at::Tensor& sines, float direction) {
  const at::Tensor source = x.contiguous();
  at::Tensor y = at::empty_like(source);
  const std::int64_t length = x.size(1), heads = x.size(2), half = x.size(3) / 2;
  const Machine& machine = machine_of(source);
  machine.rotate({source.const_data_ptr<float>(), cosines.const_data_ptr<float>(), sines.const_data_ptr<float>(),
                  y.mutable_data_ptr<float>(), x.size(0) * length * heads, length, heads, half, direction},
                 machine.current_stream());
  return y;
}

struct Rope : torch::autograd::Function<Rope> {
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& cosines,
                            const at::Tensor& sines) {
    ctx->save_for_backward({cosines, sines});
    return rotate(x, cosines, sines, 1.0f);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const variable_list saved = ctx->get_saved_variables();
    return {rotate(gradients[0], saved[0], saved[1], -1.0f), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

RopeTable make_rope_table(std::int64_t context, std::int64_t head_size, double theta, const ElementQuantizer& format) {
  PRECIPICE_CHECK(head_size % 2 == 0, "rotary positions need an even head size, got ", head_size);
  const std::int64_t half = head_size / 2;
  at::Tensor cosines = at::empty({context, half}, at::TensorOptions(at::kFloat)), sines = at::empty_like(cosines);
  float *c = cosines.mutable_data_ptr<float>(), *s = sines.mutable_data_ptr<float>();
  for (std::int64_t t = 0; t < context; ++t)
    for (std::int64_t i = 0; i < half; ++i) {
      const double angle =
          static_cast<double>(t) * std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_size));
      c[t * half + i] = static_cast<float>(std::cos(angle));
      s[t * half + i] = static_cast<float>(std::sin(angle));
    }
  return {round_tensor(cosines, format), round_tensor(sines, format)};
}

at::Tensor apply_rope(const at::Tensor& x, const RopeTable& table) {
  PRECIPICE_CHECK(x.dim() == 4 && x.size(1) <= table.cosines.size(0) && x.size(3) == 2 * table.cosines.size(1), "x ",
                  x.sizes(), " does not fit a table ", table.cosines.sizes());
  return Rope::apply(x, table.cosines, table.sines);
}

}  // namespace precipice
