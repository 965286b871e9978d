// SPDX-License-Identifier: Apache-2.0
// Comparisons of vectors where a mask is a vector, too, of zeros and of ones in every bit: all but AVX-512. Included by
// one file per instruction set, inside that set's namespace, with Ints declared in the surrounding namespace.

namespace {

using Mask = Ints;

PRECIPICE_HD Mask greater(Ints a, Ints b) {
  return a > b;
}
PRECIPICE_HD Mask greater_unsigned(Ints a, Ints b) {
  const Ints sign = Ints{} - 0x7FFFFFFF - 1;
  return (a ^ sign) > (b ^ sign);
}
PRECIPICE_HD Ints select(Mask mask, Ints yes, Ints no) {
  return (yes & mask) | (no & ~mask);
}
struct Counter {
  Ints sums = {};
  PRECIPICE_HD void add(Mask mask) { sums -= mask; }
  PRECIPICE_HD std::int32_t total() const {
    std::int32_t total = 0;
    for (std::size_t i = 0; i < sizeof(Ints) / sizeof(std::int32_t); ++i) total += sums[i];
    return total;
  }
};

}  // namespace
