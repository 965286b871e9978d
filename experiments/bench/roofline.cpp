// SPDX-License-Identifier: Apache-2.0
// What a core can do at most, for other rows to be read against: memory's bandwidth by additions over arrays far larger
// than the caches, and multiply-adds on numbers that never leave the registers.
#include <ATen/core/Tensor.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <fmt/format.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <cstring>
#include <vector>

#include "experiments/bench/bench.h"
#include "precision/gemm/carrier.h"
#include "precision/kernels/quantize_isa.h"

namespace precipice {
namespace {

#if defined(__x86_64__)
// Each waits for its last result: more than latency times units of any CPU so far. They start with numbers of their
// own, or would be one to the compiler.
constexpr int kChains = 12;

__attribute__((target("avx512f"))) float multiply_add_avx512(std::int64_t times, float x) {
  const __m512 factor = _mm512_set1_ps(x);
  __m512 sums[kChains];
  for (int chain = 0; chain < kChains; ++chain) sums[chain] = _mm512_set1_ps(x + static_cast<float>(chain));
  for (std::int64_t i = 0; i < times; ++i) {
#pragma GCC unroll 12
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(sum, factor, factor);
  }
  for (const __m512& sum : sums) sums[0] = _mm512_add_ps(sums[0], sum);
  return sums[0][0];
}

__attribute__((target("avx2,fma"))) float multiply_add_avx2(std::int64_t times, float x) {
  const __m256 factor = _mm256_set1_ps(x);
  __m256 sums[kChains];
  for (int chain = 0; chain < kChains; ++chain) sums[chain] = _mm256_set1_ps(x + static_cast<float>(chain));
  for (std::int64_t i = 0; i < times; ++i) {
#pragma GCC unroll 12
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(sum, factor, factor);
  }
  for (const __m256& sum : sums) sums[0] = _mm256_add_ps(sums[0], sum);
  return sums[0][0];
}

__attribute__((target("avx512f,avx512bf16"))) float multiply_pairs(std::int64_t times, float x) {
  const auto factor = _mm512_cvtne2ps_pbh(_mm512_set1_ps(1.0f), _mm512_set1_ps(x));
  __m512 sums[kChains];
  for (int chain = 0; chain < kChains; ++chain) sums[chain] = _mm512_set1_ps(x + static_cast<float>(chain));
  for (std::int64_t i = 0; i < times; ++i) {
#pragma GCC unroll 12
    for (__m512& sum : sums) sum = _mm512_dpbf16_ps(sum, factor, factor);
  }
  for (const __m512& sum : sums) sums[0] = _mm512_add_ps(sums[0], sum);
  return sums[0][0];
}

// `flops`: of one instruction.
void bench_registers(const char* work, float (*multiply)(std::int64_t, float), int flops, int repetitions,
                     std::vector<BenchRow>& rows) {
  constexpr std::int64_t kSize = 512, kFlops = 2 * kSize * kSize * kSize;
  const std::int64_t times = kFlops / (kChains * flops);
  const at::Tensor a = at::ones({kSize, kSize}), b = at::ones({kSize, kSize});
  volatile float x = 0.5f;
  rows.push_back(compare(
      work, "as many in torch's mm in fp32", 0, repetitions, [&] { x = multiply(times, x) > 0 ? 0.5f : 0.25f; },
      [&] { at::mm(a, b); }));
  const double done = static_cast<double>(times * kChains * flops);
  rows.back().rate = fmt::format("{:.0f} GFLOP/s", 1e-9 * done / median(rows.back().ours));
}
#endif

// Two places at a time: a core fetches ahead in each, and one does not keep it busy. Not a multiple of 4 KiB apart, as
// loads behind a store to the same place of another page wait for it.
void bench_memory(const BenchOptions& options, int repetitions, std::vector<BenchRow>& rows) {
  const std::size_t half = (std::size_t{1} << 25) / (options.quick ? 16 : 1), apart = half + 528;
  std::vector<float> numbers(4 * apart, 1.0f);
  float *const a = numbers.data(), *const b = a + apart, *const c = b + apart, *const d = c + apart;
  rows.push_back(compare(
      fmt::format("additions to {}M numbers of {}M others", half >> 19, half >> 19), "memcpy of the others", 0,
      repetitions,
      [&] {
        PRECIPICE_INDEPENDENT_LOOP
        for (std::size_t i = 0; i < half; ++i) {
          a[i] += b[i];
          c[i] += d[i];
        }
      },
      [&] {
        std::memcpy(a, b, half * sizeof(float));
        std::memcpy(c, d, half * sizeof(float));
      }));
  // Two numbers are read and one is written.
  rows.back().rate = fmt::format("{:.1f} GB/s", 1e-9 * 24 * static_cast<double>(half) / median(rows.back().ours));
}

}  // namespace

void bench_roofline(const BenchOptions& options, std::vector<BenchRow>& rows) {
  const int repetitions = options.quick ? 5 : 15;
  bench_memory(options, repetitions, rows);
#if defined(__x86_64__)
  const bool avx512 = has_avx512_matmuls();
  if (avx512)
    bench_registers("multiply-adds of fp32 in registers", multiply_add_avx512, 32, repetitions, rows);
  else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    bench_registers("multiply-adds of fp32 in registers", multiply_add_avx2, 16, repetitions, rows);
  if (avx512 && has_bf16_instructions() && __builtin_cpu_supports("avx512bf16"))
    bench_registers("multiply-adds of bf16 pairs in registers", multiply_pairs, 64, repetitions, rows);
#endif
}

}  // namespace precipice
