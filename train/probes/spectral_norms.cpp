// SPDX-License-Identifier: Apache-2.0
#include "train/probes/spectral_norms.h"

#include <ATen/ops/isfinite.h>
#include <ATen/ops/linalg_eigvalsh.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/where.h>

#include <cmath>

#include "metrics/log/step_record.h"
#include "precision/quantize/device.h"

namespace precipice {

std::vector<double> block_spectral_norms(const at::Tensor& w, std::int64_t heads) {
  const at::Tensor blocks = on_host(w.detach()).view({heads, -1, w.size(-1)}).to(at::kDouble);
  const at::Tensor gram = at::matmul(blocks, blocks.transpose(1, 2));
  // LAPACK wants numbers.
  const at::Tensor is_finite = at::isfinite(gram).flatten(1).all(1);
  const at::Tensor top =
      at::linalg_eigvalsh(at::where(is_finite.view({heads, 1, 1}), gram, 0.0)).select(1, -1).contiguous();
  std::vector<double> norms;
  for (std::int64_t head = 0; head < heads; ++head) {
    const double value = top.const_data_ptr<double>()[head];
    norms.push_back(is_finite.const_data_ptr<bool>()[head] ? std::sqrt(value < 0 ? 0.0 : value) : kNotMeasured);
  }
  return norms;
}

}  // namespace precipice
