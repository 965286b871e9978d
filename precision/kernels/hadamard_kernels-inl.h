// SPDX-License-Identifier: Apache-2.0
// The transform of hadamard.h, included by block_kernels-inl.h and under its rules. All sums are in registers, as many
// outputs at a time as a vector has lanes, and each is added up in the order that hadamard.h gives.

namespace {

constexpr HadamardMatrix kHadamardMatrix = hadamard_matrix();

void rotate_row(const float* in, float* out, std::int64_t groups) {
  constexpr int kParts = kHadamard / kWidth;
  for (std::int64_t g = 0; g < groups; ++g) {
    float x[kHadamard];
    __builtin_memcpy(x, in + g * kHadamard, sizeof(x));
    Floats sums[kParts] = {};
    PRECIPICE_UNROLL_16
    for (int k = 0; k < kHadamard; ++k) {
      for (int part = 0; part < kParts; ++part)
        sums[part] += x[k] * floats_at(kHadamardMatrix.entry[k] + part * kWidth);
    }
    __builtin_memcpy(out + g * kHadamard, sums, sizeof(sums));
  }
}

// kWidth columns of 16 rows.
PRECIPICE_HD void rotate_columns_of_lanes(const float* in, std::int64_t in_stride, float* out,
                                          std::int64_t out_stride) {
  Floats sums[kHadamard];
  PRECIPICE_UNROLL_16
  for (int k = 0; k < kHadamard; ++k) {
    // All entries are 1/4 or -1/4, and a - b is a + (-b): one product, whose sign is known once the loops are unrolled.
    const Floats x = floats_at(in + k * in_stride) * 0.25f;
    PRECIPICE_UNROLL_16
    for (int j = 0; j < kHadamard; ++j) {
      const Floats before = k == 0 ? Floats{} : sums[j];
      sums[j] = kHadamardMatrix.entry[k][j] > 0.0f ? before + x : before - x;
    }
  }
  PRECIPICE_UNROLL_16
  for (int j = 0; j < kHadamard; ++j) __builtin_memcpy(out + j * out_stride, &sums[j], sizeof(sums[j]));
}

void rotate_columns(const float* in, float* out, std::int64_t cols, std::int64_t stride) {
  std::int64_t first = 0;
  for (; first + kWidth <= cols; first += kWidth) rotate_columns_of_lanes(in + first, stride, out + first, stride);
  if (first == cols) return;
  const auto rest = static_cast<std::size_t>(cols - first) * sizeof(float);
  float last[kHadamard][kWidth] = {};
  for (int k = 0; k < kHadamard; ++k) __builtin_memcpy(last[k], in + k * stride + first, rest);
  rotate_columns_of_lanes(last[0], kWidth, last[0], kWidth);
  for (int k = 0; k < kHadamard; ++k) __builtin_memcpy(out + k * stride + first, last[k], rest);
}

}  // namespace
