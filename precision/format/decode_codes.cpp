// SPDX-License-Identifier: Apache-2.0
#include "precision/format/decode_codes.h"

#include <algorithm>
#include <array>

#include "precision/base/host_device.h"
#include "precision/format/exact_value.h"
#include "precision/format/format_codes.h"

namespace precipice {
namespace {

// A format reduced to what decode_value needs.
struct DecodeConstants {
  std::uint32_t sign_bit;                   // of the code; 0 for unsigned
  std::uint32_t twos;                       // all ones for two's complement, else 0
  std::uint32_t magnitude_mask;             // of the code, after negation in two's complement
  int normal_drop;                          // 23 - M
  std::uint32_t rebias;                     // added to a shifted magnitude: the exponent field of binary32
  std::uint32_t infinity, infinity_rebias;  // the same from this magnitude on: IEEE infinities and NaNs
  std::uint32_t low_end;                    // magnitudes below it are counts of `quantum`
  float quantum;
  std::uint32_t sign_of_zero;
  // Codes that follow no rule: 0, which may be 2^-127, and the single codes of NaN and infinity.
  struct Special {
    std::uint32_t code, bits;
  };
  std::array<Special, 4> specials;
};

DecodeConstants prepare_decode(const FloatFormat& f) {
  const CodeConstants codes = prepare_codes(f);
  DecodeConstants c{};
  c.sign_bit = codes.sign_bit;
  c.twos = f.sign == Sign::Twos ? 0xFFFFFFFFu : 0;
  c.magnitude_mask = f.sign == Sign::Twos ? codes.code_mask : ~codes.sign_bit;
  c.normal_drop = codes.normal_drop;
  c.rebias = static_cast<std::uint32_t>(127 - f.bias) << 23;
  const bool ieee = f.specials == Specials::Ieee;
  c.infinity = ieee ? codes.infinity : 0xFFFFFFFFu;
  c.infinity_rebias = 0x7F800000u - (codes.infinity << codes.normal_drop);
  c.sign_of_zero = f.has_minus_zero() ? 0x80000000u : 0;

  // Subnormals of binary32's own range follow the rule of the normals.
  const bool flushes = f.subnormals == Subnormals::Flush || f.subnormals == Subnormals::FlushInputs;
  const bool lifted = f.subnormals == Subnormals::Keep && f.emin() > -126;
  if (f.is_fixed_point()) c.low_end = 0xFFFFFFFFu;
  if (f.subnormals == Subnormals::None && f.zero) c.low_end = 1;
  if (!f.is_fixed_point() && (flushes || lifted)) c.low_end = 1u << f.mantissa_bits;
  c.quantum = flushes ? 0.0f : exact_value(1, std::max(f.emin() - f.mantissa_bits, -149));

  std::size_t count = 1;  // code 0 comes first, and again where there are fewer than four
  const auto add = [&](std::uint32_t code) { c.specials[count++].code = code; };
  if (!ieee && f.has_nan()) add(codes.nan);
  if (!ieee && f.has_nan() && codes.nan_sign_bit != 0) add(codes.nan | codes.nan_sign_bit);
  if (!ieee && f.has_infinity()) add(codes.infinity);
  if (!ieee && f.has_infinity() && codes.sign_bit != 0) add(codes.infinity | codes.sign_bit);
  for (auto& special : c.specials) special.bits = __builtin_bit_cast(std::uint32_t, decode(f, special.code));
  return c;
}

// All ones where the condition holds: g++ 12 vectorises masks, and not the branches that it makes of conditions.
PRECIPICE_HD std::uint32_t mask_of(bool condition) {
  return 0u - static_cast<std::uint32_t>(condition);
}
PRECIPICE_HD std::uint32_t select(bool condition, std::uint32_t yes, std::uint32_t no) {
  return no ^ ((no ^ yes) & mask_of(condition));
}

PRECIPICE_HD float decode_value(const DecodeConstants& c, std::uint32_t code) {
  const std::uint32_t negative = mask_of((code & c.sign_bit) != 0);
  const std::uint32_t negated = negative & c.twos;
  const std::uint32_t magnitude = ((code ^ negated) - negated) & c.magnitude_mask;
  const std::uint32_t normal =
      (magnitude << c.normal_drop) + select(magnitude >= c.infinity, c.infinity_rebias, c.rebias);
  const float low = static_cast<float>(static_cast<std::int32_t>(magnitude)) * c.quantum;
  std::uint32_t bits = select(magnitude < c.low_end, __builtin_bit_cast(std::uint32_t, low), normal);
  bits |= negative & select(bits == 0, c.sign_of_zero, 0x80000000u);
  bits = select(code == c.specials[0].code, c.specials[0].bits, bits);
  bits = select(code == c.specials[1].code, c.specials[1].bits, bits);
  bits = select(code == c.specials[2].code, c.specials[2].bits, bits);
  bits = select(code == c.specials[3].code, c.specials[3].bits, bits);
  return __builtin_bit_cast(float, bits);
}

std::uint64_t code_count(const FloatFormat& format) {
  return std::uint64_t{1} << format.bits();
}

}  // namespace

template <class Code>
void decode(const Code* in, float* out, std::int64_t size, const FloatFormat& format) {
  const DecodeConstants prepared = prepare_decode(format);
  const DecodeConstants constants = prepared;  // one whose address no other function has seen stays in registers
  for (std::int64_t i = 0; i < size; ++i) out[i] = decode_value(constants, in[i]);
}

template <class Code>
std::int64_t first_foreign_code(const Code* in, std::int64_t size, const FloatFormat& format) {
  const std::uint64_t count = code_count(format);
  Code seen = 0;
  for (std::int64_t i = 0; i < size; ++i) seen |= in[i];
  if (seen < count) return size;
  return std::find_if(in, in + size, [count](Code code) { return code >= count; }) - in;
}

template void decode(const std::uint8_t*, float*, std::int64_t, const FloatFormat&);
template void decode(const std::uint16_t*, float*, std::int64_t, const FloatFormat&);
template void decode(const std::uint32_t*, float*, std::int64_t, const FloatFormat&);
template std::int64_t first_foreign_code(const std::uint8_t*, std::int64_t, const FloatFormat&);
template std::int64_t first_foreign_code(const std::uint16_t*, std::int64_t, const FloatFormat&);
template std::int64_t first_foreign_code(const std::uint32_t*, std::int64_t, const FloatFormat&);

}  // namespace precipice
