// SPDX-License-Identifier: Apache-2.0
// NVFP4's loops of block_kernels.h, included once per instruction set by block_kernels-inl.h and under its rules: the
// scales of many blocks at once, and the errors of 4over6 (four_over_six.h).

namespace {

// torch's minimum: NaN wins.
PRECIPICE_HD float least(float a, float b) {
  return !(a >= b) ? a : b;
}

void nvfp4_scales(const float* wanted, std::int64_t count, const Nvfp4Outer& outer, float* block_scales,
                  float* multiply, float* inverse) {
  const float decode = outer.decode, amax = outer.amax, reciprocal_range = outer.reciprocal_range;
  PRECIPICE_INDEPENDENT_LOOP
  for (std::int64_t i = 0; i < count; ++i) {
    const float sf = e4m3_of(least(wanted[i], 448.0f));
    const float effective = sf * amax;
    block_scales[i] = sf;
    multiply[i] = least(1.0f / (sf * decode), 0x1.FFFFFEp127f);
    inverse[i] = effective * reciprocal_range;
  }
}

template <bool kSquared>
void nvfp4_errors_as(const float* in, std::int64_t size, const float* multipliers, const float* block_scales,
                     float amax, float range, float* errors) {
  const auto errors_of = [=](const float* from, const float* multiply, const float* scales,
                             float* to) PRECIPICE_ALWAYS {
    const Floats x = floats_at(from);
    const Floats product = e2m1_of(x * floats_at(multiply)) * floats_at(scales);
    const Floats difference = product * amax / range - x;
    const Floats error = kSquared ? difference * difference : as_floats(as_ints(difference) & 0x7FFFFFFF);
    __builtin_memcpy(to, &error, sizeof(error));
  };
  std::int64_t i = 0;
  for (; i + kWidth <= size; i += kWidth) errors_of(in + i, multipliers + i, block_scales + i, errors + i);
  if (i == size) return;
  const auto rest = static_cast<std::size_t>(size - i) * sizeof(float);
  float x[kWidth] = {}, multiply[kWidth] = {}, scales[kWidth] = {}, error[kWidth];
  __builtin_memcpy(x, in + i, rest);
  __builtin_memcpy(multiply, multipliers + i, rest);
  __builtin_memcpy(scales, block_scales + i, rest);
  errors_of(x, multiply, scales, error);
  __builtin_memcpy(errors + i, error, rest);
}

void nvfp4_errors(const float* in, std::int64_t size, const float* multipliers, const float* block_scales, float amax,
                  float range, bool squared, float* errors) {
  squared ? nvfp4_errors_as<true>(in, size, multipliers, block_scales, amax, range, errors)
          : nvfp4_errors_as<false>(in, size, multipliers, block_scales, amax, range, errors);
}

}  // namespace
