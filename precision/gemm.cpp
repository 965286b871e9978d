// SPDX-License-Identifier: Apache-2.0
#include "precision/gemm.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mm.h>

#include "precision/check.h"

namespace precipice {

at::Tensor gemm(const Quantized& a, const Quantized& b, const at::Tensor& bias, const QuantizerConfig& output,
                const RandomKey& output_key) {
  const float scale = a.scale_inv * b.scale_inv;
  if (!bias.defined()) {
    at::Tensor y = a.values.dim() == 2 ? at::mm(a.values, b.values) : at::matmul(a.values, b.values);
    round_output(y, scale, output, output_key);
    return y;
  }
  PRECIPICE_CHECK(a.values.dim() == 2, "a bias goes with 2-D operands");
  at::Tensor y = at::addmm(bias, a.values, b.values, 1.0f, scale);
  round_output(y, 1.0f, output, output_key);
  return y;
}

}  // namespace precipice
