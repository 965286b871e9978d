// SPDX-License-Identifier: Apache-2.0
// How the sum over K of a matrix product is kept, as data. Every product a[k] b[k] is exact: two binary32 significands
// multiply to 48 bits. A sum is kept on two levels, with total = register = +0 at first:
//
//   segment: consecutive k that one register sums; it ends at the end of K, at the end of a scale block, and after
//            `chunk` (chunk) or `promote` (tensor-core) products, counted from the beginning of its scale block
//   at its end: total = round(total + scale * register), register = +0   scale = fl32(scale_a * scale_b), else 1
//
// One rounding, from the exact value, is meant by each round() and fl32() (binary32, nearest even):
//
//   kind         register, for each product p                      total
//   library      r = fl32(r + p)                                   fl32
//   every        r = round_F(r + p)                                fl32
//   chunk        r = fl32(r + p), or round_F with inner=same       round_F
//   tensor-core  group by group, below                             fl32
//
// That is the order of k. `library`, the default, leaves gemm.h to the matrix library: binary32 sums in whatever order
// it has on this machine. Who asks for `fp32` by name gets every:format=fp32,rounding=rne, which a plain loop repeats.
//
// Tensor-core: the products of a group, and the register, are the terms x_i.
//   1. e = max floor(log2 |x_i|), at least -126; unit u = 2^(e - bits + 1)
//   2. t_i = x_i / u as a whole number, cut (rtz) or rounded to nearest even (rne)
//   3. r = u sum t_i, cut or rounded to min(bits, 24) significand bits with binary32's exponents; beyond them, infinity
//
// A term that is not finite makes the sum what IEEE 754 makes of it. Sums that cancel are +0 in every mode. NaN comes
// out as one quiet NaN. F follows docs/NUMERICS.md, with `overflow` (native) beyond its largest value: finite sums stay
// finite in the inward modes.
//
// Sources. Alignment and 14 bits: DeepSeek-V3, arXiv 2412.19437, section 3.3.2, on Hopper's FP8 tensor cores ("around
// 14 bits", "highest 14 bits of each mantissa product after right-shift alignment", promotion to fp32 every 128);
// truncation and one alignment for all terms: Fasi, Higham, Mikaitis, Pranesh, "Numerical behavior of NVIDIA tensor
// cores", PeerJ CS 2021. What hardware does exactly is not public. Assumed here: 32 products to a group (K of one FP8
// instruction), that the register takes part in the alignment, that a product's exponent is that of its value and not
// the sum of the operands' exponents, and that the register keeps as many bits as the terms. Rounding the running sum
// instead is `fp22`. Chunks: Wang et al., "Training deep neural networks with 8-bit floating point numbers", NeurIPS
// 2018.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "precision/format/float_format.h"
#include "precision/rounding/rounding.h"

namespace precipice {

enum class AccumulatorKind : std::uint8_t { Fp32, Every, Chunk, TensorCore };  // Fp32: `library`

struct Accumulator {
  AccumulatorKind kind = AccumulatorKind::Fp32;

  // every, chunk
  FloatFormat format;  // F: signed, with a zero
  Overflow overflow = Overflow::Native;
  int random_bits = kMostRandomBits;          // stochastic rounding: 1..kMostRandomBits
  Rounding rounding = Rounding::NearestEven;  // tensor-core: TowardZero or NearestEven

  int chunk = 64;             // chunk: products to a segment, at least 1
  bool inner_rounds = false;  // chunk: the register rounds to F at every product too

  // tensor-core
  int bits = 14;      // 2..30
  int group = 32;     // 1..1024
  int promote = 128;  // 0: never; else at least 1

  bool operator==(const Accumulator&) const = default;
  // F's precision, N random bits and two more have to fit binary64's 53.
  static constexpr int kMostRandomBits = 27;
};

// Throws ConfigError naming the field and its limits.
void validate(const Accumulator& accumulator);

// KIND or a preset, with options, in any order; format is required for every and chunk:
//   library
//   every:format=e8m13,rounding=rtz,overflow=native,random=27
//   chunk:size=64,format=fp16,inner=fp32|same,rounding=rne,overflow=native,random=27
//   tensor-core:bits=14,group=32,promote=128,rounding=rtz
//   hopper:promote=0
// Options of the format follow it: every:format=e5m10:subnormals=flush,bias=14,rounding=rtz.
// Throws ConfigError (nearest word suggested).
Accumulator parse_accumulator(std::string_view text);

// Parses back to the same accumulator, as far as its kind has the fields.
std::string to_string(const Accumulator& accumulator);

struct PresetAccumulator {
  const char* name;
  Accumulator accumulator;
  const char* citation;
};
const std::vector<PresetAccumulator>& preset_accumulators();

}  // namespace precipice
