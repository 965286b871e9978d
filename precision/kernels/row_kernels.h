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

struct RowKernels {
  void (*norm_forward)(const NormForward& call, std::int64_t first_row, std::int64_t last_row);
  void (*norm_backward)(const NormBackward& call, std::int64_t first_row, std::int64_t last_row);
  // In place over rows first_row .. last_row - 1 of square matrices (..., length, length), of which `scores` points at
  // the first: softmax(scale s) of the first row % length + 1 elements, 0 for the others.
  void (*causal_softmax)(float* scores, std::int64_t length, float scale, std::int64_t first_row,
                         std::int64_t last_row);
  // dp, in place, becomes ds = scale p (dp - sum p dp); rows as above.
  void (*causal_softmax_backward)(const float* p, float* dp, std::int64_t length, float scale, std::int64_t first_row,
                                  std::int64_t last_row);
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
