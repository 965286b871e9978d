// SPDX-License-Identifier: Apache-2.0
// Vectors of the machine's width as numbers and as patterns. Included by one file per instruction set, inside that
// set's namespace, with Ints declared in the surrounding one.

namespace {

constexpr int kWidth = sizeof(Ints) / sizeof(std::int32_t);
using Floats = float __attribute__((vector_size(sizeof(Ints))));

PRECIPICE_HD Floats floats_at(const float* from) {
  Floats x;
  __builtin_memcpy(&x, from, sizeof(x));
  return x;
}
PRECIPICE_HD Ints all(std::int32_t x) {
  return Ints{} + x;
}
PRECIPICE_HD Ints larger(Ints a, Ints b) {
  return a > b ? a : b;
}
PRECIPICE_HD Ints as_ints(Floats x) {
  return __builtin_bit_cast(Ints, x);
}
PRECIPICE_HD Floats as_floats(Ints x) {
  return __builtin_bit_cast(Floats, x);
}

// The same of one number.
PRECIPICE_HD std::int32_t larger(std::int32_t a, std::int32_t b) {
  return a > b ? a : b;
}
PRECIPICE_HD std::int32_t as_ints(float x) {
  return __builtin_bit_cast(std::int32_t, x);
}
PRECIPICE_HD float as_floats(std::int32_t x) {
  return __builtin_bit_cast(float, x);
}
// Without the sign: patterns of magnitudes are in their order, NaN last.
PRECIPICE_HD std::int32_t pattern_of(float x) {
  return as_ints(x) & 0x7FFFFFFF;
}
PRECIPICE_HD std::int64_t pattern_of(double x) {
  return __builtin_bit_cast(std::int64_t, x) & 0x7FFFFFFFFFFFFFFF;
}

PRECIPICE_HD std::int32_t largest_lane(Ints x) {
  std::int32_t largest = 0;
  for (int i = 0; i < kWidth; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

}  // namespace
