// SPDX-License-Identifier: Apache-2.0
// What happens between the matmuls, row by row in fp32: norms, causal softmax, cross-entropy. Plain arrays; written
// once (row_kernels-inl.h) and compiled for each instruction set, with the same bits on all of them.
#pragma once

#include <cstdint>
#include <string>

namespace precipice {

// y = (x - mean) / sqrt(var + eps) gain + bias over rows of `width` (LayerNorm, Ba et al. 2016); not centred:
// y = x / sqrt(mean x^2 + eps) gain (RMSNorm, Zhang and Sennrich 2019). With `addend`, x + addend is what is normalised
// and goes to `sum`.
struct NormForward {
  const float* x = nullptr;
  const float* addend = nullptr;
  float* sum = nullptr;
  const float *gain = nullptr, *bias = nullptr;  // bias: or null
  float* y = nullptr;
  float* statistics = nullptr;  // (rows, 2): mean and 1 / sqrt(var + eps)
  std::int64_t width = 0;
  float eps = 0;
  bool centred = true;
  float* amax = nullptr;  // on a device: of y (noted_amax.h); or null
};

// With h = (x - mean) r, g = dy gain:  dx = r (g - mean g - h mean(g h)) + addend; not centred: without mean g.
struct NormBackward {
  const float* x = nullptr;
  const float* dy = nullptr;
  const float* addend = nullptr;  // or null
  const float *gain = nullptr, *statistics = nullptr;
  float* dx = nullptr;
  float *dgain = nullptr, *dbias = nullptr;  // (width): added to
  std::int64_t width = 0;
  bool centred = true;
  float* amax = nullptr;  // on a device: of dx; or null
};

// Moments that the logit sharpness needs (metrics/logits/logit_sharpness.h).
inline constexpr int kLogitMoments = 3;

// One row of logits under cross-entropy, m = max z.
struct LogitRow {
  float low = 0, high = 0;             // extremes; NaN is passed over
  double others = 0;                   // sum of e^(z_i - m) but for the target's
  double target = 0;                   // e^(z_t - m)
  double moments[kLogitMoments] = {};  // sum_{i != t} e^(z_i - m) (|z_i| + 1)^(j + 1)
};

// Softmax over key blocks with a running maximum (Milakov and Gimelshein, arXiv 1805.02867), as flash attention has it:
// e_j = exp(scale s_j - m) with m the largest scaled score of the key's block and those before; 0 for the future. With
// `beta`, a block's maximum that more than one score comes within kNearMaximum of counts as beta m where it is positive
// and as 0 where it is negative (arXiv 2510.04212).
inline constexpr float kNearMaximum = 1e-3f;
struct OnlineSoftmax {
  const float* scores = nullptr;  // rows of square matrices (..., length, length); may be `weights`
  float* weights = nullptr;
  float* maxima = nullptr;             // (rows, blocks): m; behind the present that of the block before
  float* sums = nullptr;               // (rows, blocks): of a block's e
  std::int64_t length = 0, block = 0;  // blocks = length / block, rounded up; block is a multiple of 16
  float scale = 1, beta = 0;           // beta 0: none
};

struct RowKernels {
  void (*norm_forward)(const NormForward& call, std::int64_t first_row, std::int64_t last_row);
  void (*norm_backward)(const NormBackward& call, std::int64_t first_row, std::int64_t last_row);
  // In place over rows first_row .. last_row - 1 of square matrices (..., length, length), of which `scores` points at
  // the first: softmax(scale s) of the first row % length + 1 elements, 0 for the others.
  void (*causal_softmax)(float* scores, std::int64_t length, float scale, std::int64_t first_row,
                         std::int64_t last_row);
  // dp, in place, becomes ds = scale p (dp - delta), delta = sum p dp unless given for each row; rows as above.
  void (*causal_softmax_backward)(const float* p, float* dp, const float* deltas, std::int64_t length, float scale,
                                  std::int64_t first_row, std::int64_t last_row);
  // Rows as above, of which all pointers point at the first.
  void (*online_softmax)(const OnlineSoftmax& call, std::int64_t first_row, std::int64_t last_row);
  // p = exp(scale s - log_sums[row]), 0 for the future; `p` may be `scores`.
  void (*softmax_of_sums)(const float* scores, const float* log_sums, float* p, std::int64_t length, float scale,
                          std::int64_t first_row, std::int64_t last_row);
  // products[row] = sum of a b over rows of `width`.
  void (*dot_rows)(const float* a, const float* b, std::int64_t rows, std::int64_t width, float* products);
  // e (width): e^(z - m). Moments stay 0 unless they are asked for.
  void (*logit_row)(const float* z, std::int64_t width, std::int64_t target, bool moments, float* e, LogitRow& row);
  // y = x Phi(x) (GELU, Hendrycks and Gimpel, arXiv 1606.08415) and, unless null, its derivative Phi(x) + x phi(x): one
  // exponential for both. erfc by Abramowitz and Stegun 7.1.26, 1.5e-7 absolute.
  void (*gelu)(const float* x, std::int64_t size, float* y, float* derivative);
  void (*scale_row)(float* x, std::int64_t size, float factor);
  // x = factor x + addend, the product rounded before the sum.
  void (*scale_and_add_row)(float* x, std::int64_t size, float factor, const float* addend);
};

// Of the instruction set in use (isa.h), and by its name: generic, avx2, avx512.
const RowKernels& row_kernels();
const RowKernels& row_kernels_of(const std::string& isa);

namespace generic {
extern const RowKernels kRowKernels;
}
namespace avx2 {
extern const RowKernels kRowKernels;
}
namespace avx512 {
extern const RowKernels kRowKernels;
}

}  // namespace precipice
