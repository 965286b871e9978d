// SPDX-License-Identifier: Apache-2.0
// The matmul that multiplies grid values: oneDNN's, in fp32 or, where that is exact, on bf16 instructions with fp32
// sums. A carrier never rounds an operand and never flushes one:
//   - an element fits bf16 when it has at most 8 significant bits and a range within bf16's;
//   - VDPBF16PS takes subnormals as zero, operands and sums alike. Every product, and so every sum, is a multiple of
//     the product of the two quanta: where these and it are 2^-126 or more, nothing subnormal can arise. Formats of
//     few exponent bits have such quanta always; for the others (bf16 itself) it depends on the smallest number in a
//     tensor, and where that is too small the same numbers go through the fp32 carrier.
// Then each product is exact in fp32 (16 significant bits), and the result is what an fp32 matmul of the same values
// gives, up to the order of summation.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "precision/format/quantum.h"
#include "precision/gemm/dims.h"

namespace precipice {

// Auto: bf16 where it is exact and this CPU has instructions for it, else fp32.
enum class Carrier : std::uint8_t { Auto, Fp32, Bf16 };
Carrier parse_carrier(std::string_view text);  // auto fp32 bf16; throws ConfigError
std::string to_string(Carrier carrier);

// AVX512-BF16 or AMX: elsewhere bf16 products would be emulated, and slower than fp32 ones.
bool has_bf16_instructions();
// Whether matmuls run on AVX-512 (DNNL_MAX_CPU_ISA, oneDNN's variable, may forbid it).
bool has_avx512_matmuls();
// Whether multiply() takes bf16 operands at all: oneDNN emulates their products on AVX-512, and on nothing less.
inline bool can_multiply_bf16() {
  return has_avx512_matmuls();
}

// What of y = a b^T is known to be zero or is not asked for, the future of a position: products with it are left out
// where a carrier multiplies.
enum class Causal : std::uint8_t {
  No,
  Result,      // y[m, n] for n > m: what stands there afterwards is not specified
  FirstPast,   // a[m, k] = 0 for k > m; rows beyond K are whole
  FirstAhead,  // a[m, k] = 0 for k < m
  SecondPast,  // b[n, k] = 0 for k > n
  SecondAhead  // b[n, k] = 0 for k < n
};

// y = scale (a b^T) + bias, for batches of matrices: a (batch..., M, K), b (batch..., N, K), y (batch..., M, N).
// Strides count elements; one of a matrix's last two is 1, of y the last. No size is 0.
struct CarrierProduct {
  bool bf16 = false;  // a and b are bf16 numbers, else fp32
  const void *a = nullptr, *b = nullptr;
  Dims a_sizes, a_strides, b_sizes, b_strides, y_strides;
  float scale = 1.0f;
  const float* bias = nullptr;  // N, or none
  float* y = nullptr;
};
void multiply(const CarrierProduct& product);
// Whether each sum of multiply() is one thread's, so that results do not depend on the number of threads: oneDNN's
// kernels for AVX-512 kept that in all shapes tried, those for less share long sums out.
inline bool keeps_sums_whole() {
  return has_avx512_matmuls();
}

// oneDNN's products in the calling thread alone, in scope.
class OneThread {
 public:
  OneThread();
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

}  // namespace precipice
