// SPDX-License-Identifier: Apache-2.0
// RMSNorm (Zhang and Sennrich 2019, arXiv 1910.07467): y_i = g_i x_i / sqrt(mean(x^2) + eps), one node in fp32.
// Gradient, with r = 1 / sqrt(mean(x^2) + eps): dx_i = r (g_i dy_i - x_i r^2 mean(g dy x)), dg_i = sum over rows of
// dy_i x_i r.
#pragma once

#include <ATen/core/Tensor.h>

namespace precipice {

// x (..., C), weight (C)  ->  (..., C). NaN and infinity make their row NaN.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& weight, double eps);

}  // namespace precipice
