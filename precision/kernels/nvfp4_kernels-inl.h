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

// The same to E2M1, of any numbers; signs stay, and NaN. By vectors: g++ makes branches of the bound in a plain loop.
PRECIPICE_HD Floats e2m1_of(Floats y) {
  const Ints pattern = as_ints(y) & 0x7FFFFFFF, six = all(0x40C00000), bounded = pattern < six ? pattern : six;
  const Floats c = as_floats(larger(bounded & 0x7F800000, all(127 << 23)) + (22 << 23));
  const Ints rounded = as_ints((as_floats(bounded) + c) - c), nan = (pattern > all(0x7F800000)) & 0x7FC00000;
  return as_floats(rounded | nan | (as_ints(y) & ~0x7FFFFFFF));
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

template <bool kSquared>
void nvfp4_errors_as(const float* in, std::int64_t size, const float* multipliers, const float* block_scales,
                     float amax, float range, float* errors) {
  const auto errors_of = [=](const float* from, const float* multiply, const float* scales, float* to)
      __attribute__((always_inline)) {
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
