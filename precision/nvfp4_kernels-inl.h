// SPDX-License-Identifier: Apache-2.0
// NVFP4's loops of block_kernels.h, included once per instruction set by block_kernels-inl.h and under its rules: the
// scales of many blocks at once, and the errors of 4over6 (four_over_six.h).

namespace {

// Nearest even to E4M3 of a number from 0 to 448 by the processor's own rounding, as nearest_even_by_addition has it:
// in y + c, with c the power of two whose last place is the quantum of y, from 2^-9 up. NaN stays NaN.
PRECIPICE_HD float e4m3_of(float y) {
  const std::int32_t own = magnitude_of(y) & 0x7F800000, lowest = (127 - 6) << 23;
  const auto c = __builtin_bit_cast(float, (own > lowest ? own : lowest) + (20 << 23));
  return (y + c) - c;
}

// The same to E2M1, of any number; the sign stays.
PRECIPICE_HD float e2m1_of(float y) {
  const std::int32_t pattern = magnitude_of(y);
  const auto magnitude = __builtin_bit_cast(float, pattern);
  const float bounded = magnitude > 6.0f ? 6.0f : magnitude;
  const std::int32_t own = magnitude_of(bounded) & 0x7F800000, lowest = 127 << 23;
  const auto c = __builtin_bit_cast(float, (own > lowest ? own : lowest) + (22 << 23));
  const std::uint32_t sign = __builtin_bit_cast(std::uint32_t, y) & 0x80000000u;
  return __builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, (bounded + c) - c) | sign);
}

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

template <bool kSquared, bool kBf16>
void nvfp4_errors_as(const float* in, std::int64_t size, const float* multipliers, const float* block_scales,
                     float amax, float range, float* errors) {
  PRECIPICE_INDEPENDENT_LOOP
  for (std::int64_t i = 0; i < size; ++i) {
    const float x = kBf16 ? bf16_of(in[i]) : in[i];
    const float product = e2m1_of(x * multipliers[i]) * block_scales[i];
    const float difference = product * amax / range - x;
    errors[i] = kSquared ? difference * difference : __builtin_bit_cast(float, magnitude_of(difference));
  }
}

void nvfp4_errors(const float* in, std::int64_t size, const float* multipliers, const float* block_scales, float amax,
                  float range, bool squared, bool in_bf16, float* errors) {
  if (squared)
    return in_bf16 ? nvfp4_errors_as<true, true>(in, size, multipliers, block_scales, amax, range, errors)
                   : nvfp4_errors_as<true, false>(in, size, multipliers, block_scales, amax, range, errors);
  return in_bf16 ? nvfp4_errors_as<false, true>(in, size, multipliers, block_scales, amax, range, errors)
                 : nvfp4_errors_as<false, false>(in, size, multipliers, block_scales, amax, range, errors);
}

}  // namespace
