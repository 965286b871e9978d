// SPDX-License-Identifier: Apache-2.0
// Largest singular values of matrices with a short side: sqrt(lambda_max(W W^T)) from the dense matrix of that side in
// double. Exact, and no state that a checkpoint would have to keep.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace precipice {

// Of each of the `heads` blocks of rows of w (heads * D, C), D the short side; NaN where a block is not finite.
std::vector<double> block_spectral_norms(const at::Tensor& w, std::int64_t heads);

}  // namespace precipice
