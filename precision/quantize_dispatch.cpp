// SPDX-License-Identifier: Apache-2.0
// Run-time choice of the instruction set for the array loops, and the checks that they rely on.
#include <cstdlib>
#include <vector>

#include "precision/check.h"
#include "precision/exact_value.h"
#include "precision/quantize_isa.h"

namespace precipice {
namespace {

struct Candidate {
  const char* name;
  bool supported;
  const QuantizeKernels* kernels;
};

// Best first.
std::vector<Candidate> candidates() {
#if defined(__x86_64__)
  // All that CMakeLists.txt lets the compiler use; its -mavx2 lets it use POPCNT as well.
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("popcnt");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return {{"avx512", has_avx512, &avx512::kKernels},
          {"avx2", has_avx2, &avx2::kKernels},
          {"generic", true, &generic::kKernels}};
#else
  return {{"avx512", false, nullptr}, {"avx2", false, nullptr}, {"generic", true, &generic::kKernels}};
#endif
}

const Isa& active() {
  static const Isa chosen = [] {
    const char* forced = std::getenv("PRECIPICE_ISA");
    return choose_isa(forced == nullptr ? "" : forced);
  }();
  return chosen;
}

}  // namespace

Isa choose_isa(const std::string& forced) {
  std::string supported;
  for (const Candidate& candidate : candidates()) {
    if (!candidate.supported) continue;
    if (forced.empty() || forced == candidate.name) return {candidate.name, candidate.kernels};
    supported += (supported.empty() ? "" : ", ") + std::string(candidate.name);
  }
  throw ConfigError({"environment", 0, "PRECIPICE_ISA", forced}, "must be one of " + supported + " on this CPU");
}

namespace {

void check_call(std::int64_t size, const QuantizeSpec& spec, std::uint64_t first_element) {
  PRECIPICE_CHECK(size >= 0, "size ", size);
  PRECIPICE_CHECK(spec.random_bits >= 1 && spec.random_bits <= 32, "random bits ", spec.random_bits);
  constexpr std::uint64_t kElements = std::uint64_t{1} << 50;  // 4 words in each of 2^48 blocks
  PRECIPICE_CHECK(first_element < kElements && static_cast<std::uint64_t>(size) <= kElements - first_element,
                  "elements ", first_element, " + ", size, " go beyond the random stream");
}

template <class Source>
QuantizeCallOf<Source> prepare_call_as(const typename Source::Float* in, float* out, std::int64_t size,
                                       const FormatConstantsOf<Source>& format, const QuantizeSpec& spec, float scale,
                                       const RandomKey& key, std::uint64_t first_element) {
  check_call(size, spec, first_element);
  const bool in_place = static_cast<const void*>(in) == out;
  constexpr FloatFormat kBf16{8, 7, 127, Specials::Ieee};
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
  call.is_bf16 = spec.format == kBf16 && spec.overflow == Overflow::Native;
  call.stream = size * static_cast<std::int64_t>(sizeof(float)) >= kStreamedBytes && !in_place;
  return call;
}

}  // namespace

QuantizeCall prepare_call(const float* in, float* out, std::int64_t size, const QuantizeSpec& spec, float scale,
                          const RandomKey& key, std::uint64_t first_element) {
  return prepare_call_as<Binary32>(in, out, size, prepare(spec.format, spec.overflow), spec, scale, key, first_element);
}

WideQuantizeCall prepare_call(const double* in, float* out, std::int64_t size, const QuantizeSpec& spec, float scale,
                              const RandomKey& key, std::uint64_t first_element) {
  PRECIPICE_CHECK(!spec.through_bf16, "binary64 inputs do not go through bf16");
  return prepare_call_as<Binary64>(in, out, size, prepare_wide(spec.format, spec.overflow), spec, scale, key,
                                   first_element);
}

void quantize(const float* in, float* out, std::int64_t size, const QuantizeSpec& spec, float scale,
              const RandomKey& key, std::uint64_t first_element, EventCounts& counts) {
  counts += active().kernels->quantize(prepare_call(in, out, size, spec, scale, key, first_element));
}

void quantize(const double* in, float* out, std::int64_t size, const QuantizeSpec& spec, float scale,
              const RandomKey& key, std::uint64_t first_element, EventCounts& counts) {
  counts += active().kernels->quantize_wide(prepare_call(in, out, size, spec, scale, key, first_element));
}

void encode(const float* in, std::uint32_t* out, std::int64_t size, const FloatFormat& format) {
  const CodeConstants codes = prepare_codes(format);
  if (!format.has_nan() && amax(in, size) != amax(in, size))
    throw ConfigError(to_string(format) + " has no code for NaN");
  active().kernels->encode(in, out, size, codes);
}

float amax(const float* in, std::int64_t size) {
  PRECIPICE_CHECK(size >= 0, "size ", size);
  return active().kernels->amax(in, size);
}

const QuantizeKernels& active_kernels() {
  return *active().kernels;
}

std::string active_isa() {
  return active().name;
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
