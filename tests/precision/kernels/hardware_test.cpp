// SPDX-License-Identifier: Apache-2.0
// The CPU's own conversions as oracles, over all 2^32 binary32 inputs: F16C (VCVTPS2PH, four modes) for fp16 and
// AVX512-BF16 (VCVTNEPS2BF16) for bf16. Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2.
#include "tests/support/catch.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <thread>
#include <vector>

#include "precision/kernels/quantize_kernels.h"
#include "tests/precision/rounding/support.h"

namespace precipice::test {
namespace {

constexpr int kBlock = 1 << 14;
constexpr std::uint32_t kBlocks = 1u << 18;

using Convert = void (*)(const float* in, std::uint16_t* out);

template <int Mode>
__attribute__((target("avx,f16c"))) void to_fp16(const float* in, std::uint16_t* out) {
  for (int i = 0; i < kBlock; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm256_cvtps_ph(_mm256_loadu_ps(in + i), Mode));
}

__attribute__((target("avx512f,avx512bf16"))) void to_bf16(const float* in, std::uint16_t* out) {
  for (int i = 0; i < kBlock; i += 16) {
    const auto codes = _mm512_cvtneps_pbh(_mm512_loadu_ps(in + i));
    __builtin_memcpy(out + i, &codes, sizeof(codes));
  }
}

// Asked of the CPU itself, since Clang 16's __builtin_cpu_supports does not know the name. AVX says that the operating
// system keeps the registers.
bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __builtin_cpu_supports("avx") && __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

// Inputs whose code by quantize() and encode() is not the hardware's. A NaN must keep the high bits of its payload; the
// hardware makes it quiet, which is `quiet` in the code. Subnormal inputs count unless `skip_subnormals`.
std::uint64_t differences(const FloatFormat& format, Rounding rounding, Convert convert, std::uint32_t quiet,
                          bool skip_subnormals, std::uint64_t& compared) {
  std::atomic<std::uint32_t> next{0};
  std::atomic<std::uint64_t> different{0}, total{0};
  const std::uint32_t infinity = encode(format, std::numeric_limits<float>::infinity());
  const auto work = [&] {
    std::vector<float> in(kBlock), out(kBlock);
    std::vector<std::uint32_t> codes(kBlock);
    std::vector<std::uint16_t> expected(kBlock);
    EventCounts counts;
    for (std::uint32_t block = next++; block < kBlocks; block = next++) {
      for (std::uint32_t i = 0; i < kBlock; ++i) in[i] = float_of(block * kBlock + i);
      quantize(in.data(), out.data(), kBlock, {format, rounding, Overflow::Native, 32, false}, 1.0f, RandomKey{}, 0,
               counts);
      encode(out.data(), codes.data(), kBlock, format);
      convert(in.data(), expected.data());
      std::uint32_t wrong = 0, seen = 0;
      for (std::size_t i = 0; i < kBlock; ++i) {
        const std::uint32_t pattern = bits_of(in[i]) & ~kSignBit;
        const bool skipped = skip_subnormals && pattern - 1 < 0x007FFFFFu;
        const std::uint32_t code = codes[i] | ((codes[i] & 0x7FFFu) > infinity ? quiet : 0u);
        wrong += !skipped & (code != expected[i]);
        seen += !skipped;
      }
      different += wrong;
      total += seen;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  compared = total;
  return different;
}

}  // namespace

TEST_CASE("fp16 has the codes of the CPU's conversion for all 2^32 inputs in its four modes", "[.exhaustive]") {
  if (!has_f16c()) {
    WARN("skipped: this CPU has no F16C");
    return;
  }
  const FloatFormat fp16 = parse_float_format("fp16");
  std::uint64_t compared = 0;
  CHECK(differences(fp16, Rounding::NearestEven, to_fp16<_MM_FROUND_TO_NEAREST_INT>, 0x200, false, compared) == 0);
  CHECK(differences(fp16, Rounding::TowardZero, to_fp16<_MM_FROUND_TO_ZERO>, 0x200, false, compared) == 0);
  CHECK(differences(fp16, Rounding::Up, to_fp16<_MM_FROUND_TO_POS_INF>, 0x200, false, compared) == 0);
  CHECK(differences(fp16, Rounding::Down, to_fp16<_MM_FROUND_TO_NEG_INF>, 0x200, false, compared) == 0);
  CHECK(compared == std::uint64_t{1} << 32);
}

// VCVTNEPS2BF16 takes subnormal inputs as zero; those 2 * (2^23 - 1) are not compared.
TEST_CASE("bf16 has the codes of the CPU's conversion for all inputs that are not subnormal", "[.exhaustive]") {
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bf16")) {
    WARN("skipped: this CPU has no AVX512-BF16");
    return;
  }
  std::uint64_t compared = 0;
  CHECK(differences(parse_float_format("bf16"), Rounding::NearestEven, to_bf16, 0x40, true, compared) == 0);
  CHECK(compared == (std::uint64_t{1} << 32) - 2 * ((std::uint64_t{1} << 23) - 1));
}

}  // namespace precipice::test
#else
TEST_CASE("fp16 and bf16 have the codes of the CPU's conversion", "[.exhaustive]") {
  WARN("skipped: the conversions of this CPU are not known here");
}
#endif
