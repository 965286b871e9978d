// SPDX-License-Identifier: Apache-2.0
// The array loops of the instruction set in use, and the checks that they rely on.
#include "precision/base/check.h"
#include "precision/format/exact_value.h"
#include "precision/format/format_presets.h"
#include "precision/kernels/isa.h"
#include "precision/kernels/quantize_isa.h"

namespace precipice {
namespace {

void check_call(std::int64_t size, const ElementQuantizer& spec, std::uint64_t first_element) {
  PRECIPICE_CHECK(size >= 0, "size ", size);
  PRECIPICE_CHECK(spec.random_bits >= 1 && spec.random_bits <= 32, "random bits ", spec.random_bits);
  constexpr std::uint64_t kElements = std::uint64_t{1} << 50;  // 4 words in each of 2^48 blocks
  PRECIPICE_CHECK(first_element < kElements && static_cast<std::uint64_t>(size) <= kElements - first_element,
                  "elements ", first_element, " + ", size, " go beyond the random stream");
}

template <class Source>
QuantizeCallOf<Source> prepare_call_as(const typename Source::Float* in, float* out, std::int64_t size,
                                       const FormatConstantsOf<Source>& format, const ElementQuantizer& spec,
                                       float scale, const RandomKey& key, std::uint64_t first_element) {
  check_call(size, spec, first_element);
  const bool in_place = static_cast<const void*>(in) == out;
  const auto min_normal = __builtin_bit_cast(std::uint32_t, spec.format.min_normal());
  QuantizeCallOf<Source> call{
      in,
      out,
      size,
      format,
      min_normal - 1,
      __builtin_bit_cast(std::int32_t, exact_value(1, spec.format.emin() - spec.format.mantissa_bits)),
      prepare(kBf16, Overflow::Native),
      spec.rounding,
      spec.random_bits,
      spec.through_bf16,
      scale,
      key,
      first_element};
  call.is_bf16 = spec.format == kBf16 && spec.overflow == Overflow::Native && !spec.range;
  call.kept_bits = ~(0x7F800000u & ~(((1u << spec.kept_exponent_bits) - 1) << 23));
  call.stream = size * static_cast<std::int64_t>(sizeof(float)) >= kStreamedBytes && !in_place;
  return call;
}

// Where the range is another's, the format's constants with the other's ends.
template <class Constants>
Constants with_ends(Constants constants, const Constants& ends) {
  constants.positive = ends.positive;
  constants.negative = ends.negative;
  return constants;
}

}  // namespace

QuantizeCall prepare_call(const float* in, float* out, std::int64_t size, const ElementQuantizer& spec, float scale,
                          const RandomKey& key, std::uint64_t first_element) {
  FormatConstants format = prepare(spec.format, spec.overflow);
  if (spec.range) format = with_ends(format, prepare(*spec.range, spec.overflow));
  return prepare_call_as<Binary32>(in, out, size, format, spec, scale, key, first_element);
}

WideQuantizeCall prepare_call(const double* in, float* out, std::int64_t size, const ElementQuantizer& spec,
                              float scale, const RandomKey& key, std::uint64_t first_element) {
  PRECIPICE_CHECK(!spec.through_bf16, "binary64 inputs do not go through bf16");
  auto format = prepare_wide(spec.format, spec.overflow);
  if (spec.range) format = with_ends(format, prepare_wide(*spec.range, spec.overflow));
  return prepare_call_as<Binary64>(in, out, size, format, spec, scale, key, first_element);
}

void quantize(const float* in, float* out, std::int64_t size, const ElementQuantizer& spec, float scale,
              const RandomKey& key, std::uint64_t first_element, EventCounts& counts) {
  counts += active_kernels().quantize(prepare_call(in, out, size, spec, scale, key, first_element));
}

void quantize(const double* in, float* out, std::int64_t size, const ElementQuantizer& spec, float scale,
              const RandomKey& key, std::uint64_t first_element, EventCounts& counts) {
  counts += active_kernels().quantize_wide(prepare_call(in, out, size, spec, scale, key, first_element));
}

void encode(const float* in, std::uint32_t* out, std::int64_t size, const FloatFormat& format) {
  const CodeConstants codes = prepare_codes(format);
  if (!format.has_nan() && amax(in, size) != amax(in, size))
    throw ConfigError(to_string(format) + " has no code for NaN");
  active_kernels().encode(in, out, size, codes);
}

float amax(const float* in, std::int64_t size) {
  PRECIPICE_CHECK(size >= 0, "size ", size);
  return active_kernels().amax(in, size);
}

EventCounts& EventCounts::operator+=(const EventCounts& other) {
  total += other.total;
  nan_in += other.nan_in;
  saturated += other.saturated;
  overflowed += other.overflowed;
  underflowed += other.underflowed;
  subnormal += other.subnormal;
  // A NaN compares false: it stays when it is ours and is taken when it is the other's.
  if (!(other.amax <= amax) && amax == amax) amax = other.amax;
  return *this;
}

}  // namespace precipice
