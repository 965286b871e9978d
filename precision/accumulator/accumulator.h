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
//   matrix-core  group by group, below                             fl32
//
// That is the order of k. `library`, the default, leaves gemm.h to the matrix library: binary32 sums in whatever order
// it has on this machine. Who asks for `fp32` by name gets every:format=fp32,rounding=rne, which a plain loop repeats.
//
// Tensor-core: the terms x_i are the products of a group, and the register c (register=added: c is no term).
//   1. The exponent of a term that is not zero; E(x) = floor(log2 |x|):
//        align=value     e_i = E(x_i)
//        align=operands  e_i = max(E(a_i), emin_a) + max(E(b_i), emin_b), so that |x_i| < 4 2^e_i; e_c = max(E(c), -126)
//                        emin: the smallest normal exponent of an operand's format, below which subnormals keep it
//      e = max(e_i, e_c, lowest); unit u = 2^(e - bits + 1)
//   2. t_i = x_i / u as a whole number, cut (rtz) or rounded to nearest even (rne)
//   3. r = u sum t_i, cut or rounded to min(bits, 24) significand bits with binary32's exponents; beyond them, infinity.
//      register=added: then r = fl32(c + r)
// Where the scales of a block act (scales=):
//   sums    on registers, as above: DeepSeek-V3's promotion. With align=operands total = fl32(total + scale * block) at
//           the end of each scale block alone, where block = fl32(block + register) adds its segments: one scale for all
//           of K is the epilogue's alpha, applied once. align=value scales every segment.
//   terms   before the alignment: x_i = a_i b_i scale, and e_i is raised by both scales' exponents (Blackwell's mxf8f6f4)
//   groups  x_j = (exact sum of 16 products) scale, with e_j the sum of the scales' exponents, not below scale_emin, however
//           large the sum is (Blackwell's mxf4nvf4)
//   Registers go on over the ends of blocks with the last two. A NaN scale makes a NaN.
// split=S cuts K into S parts of whole groups (of whole promotions, if there are any), each with total = +0 at first;
// then their totals are added in fp32, in order.
//
// Matrix-core (AMD's CDNA3), for the products of a group and the register c:
//   1. e = the largest e_i of align=operands; u = 2^(e - bits + 1); s = u sum cut(x_i / u). halves=2: even and odd k
//      apart, each with its own e; both are cut toward minus infinity to bits at the larger e, and added.
//   2. e' = max(e, e_c, -126). s is cut toward minus infinity to 32 bits below 2^(e' + 1), c to 25. halves=2: a c with
//      e_c < e' - 25 counts as zero.
//   3. r = fl32(s + c). A product of 2^128 or more is infinite.
//
// `native` stands for the unit of `hardware` that multiplies the operands of each product, FP8 with promotion every
// `promote`; what no unit multiplies is left to the library. A recipe says whose hardware it is for, where the spelling
// does not (precision/gemm/unit_operands.h resolves it).
//
// A term that is not finite makes the sum what IEEE 754 makes of it. Sums that cancel are +0 in every mode. NaN comes
// out as one quiet NaN. F follows docs/NUMERICS.md, with `overflow` (native) beyond its largest value: finite sums stay
// finite in the inward modes.
//
// Sources. Truncation and one alignment for all terms: Fasi, Higham, Mikaitis, Pranesh, "Numerical behavior of NVIDIA
// tensor cores", PeerJ CS 2021. align=operands, widths and groups of each unit: recordings of arXiv 2512.07004 and the
// models of MMA-Sim, arXiv 2511.10909 (docs/ACCUMULATORS.md says for each preset which). 14 bits and promotion:
// DeepSeek-V3, arXiv 2412.19437, section 3.3.2. align=value is how that section reads and what no hardware does. Chunks:
// Wang et al., "Training deep neural networks with 8-bit floating point numbers", NeurIPS 2018.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "precision/accumulator/operand_set.h"
#include "precision/format/float_format.h"
#include "precision/rounding/rounding.h"

namespace precipice {

enum class AccumulatorKind : std::uint8_t { Fp32, Every, Chunk, TensorCore, MatrixCore, Native };  // Fp32: `library`

// Generations of hardware with units of their own.
enum class Hardware : std::uint8_t { Unknown, Ampere, Ada, Hopper, Blackwell, Cdna3 };

// Which exponent of a product takes part in the alignment.
enum class Alignment : std::uint8_t { Value, Operands };
// Whether the register is one of the terms that are aligned, or added to their sum.
enum class RegisterPart : std::uint8_t { Aligned, Added };
enum class BlockScales : std::uint8_t { Sums, Terms, Groups };

struct Accumulator {
  AccumulatorKind kind = AccumulatorKind::Fp32;

  // every, chunk
  FloatFormat format;  // F: signed, with a zero
  Overflow overflow = Overflow::Native;
  int random_bits = kMostRandomBits;          // stochastic rounding: 1..kMostRandomBits
  Rounding rounding = Rounding::NearestEven;  // tensor-core: TowardZero or NearestEven

  int chunk = 64;             // chunk: products to a segment, at least 1
  bool inner_rounds = false;  // chunk: the register rounds to F at every product too

  // tensor-core and matrix-core
  int bits = 14;                          // of a term: 2..36; matrix-core 2..30
  int group = 32;                         // products to a group, 1..1024
  OperandSet operands = OperandSet::Any;  // what the unit multiplies
  // tensor-core
  int promote = 128;  // 0: never; else at least 1
  int split = 1;      // parts of K, at least 1
  int lowest = -126;  // the lowest exponent of an alignment: -900..0
  Alignment alignment = Alignment::Value;
  RegisterPart register_part = RegisterPart::Aligned;
  BlockScales block_scales = BlockScales::Sums;
  int scale_emin = -6;  // scales=groups: of the scales' format, E4M3; -127 for E8M0
  // matrix-core
  int halves = 1;  // 1 or 2
  // native
  Hardware hardware = Hardware::Unknown;

  bool operator==(const Accumulator&) const = default;
  // F's precision, N random bits and two more have to fit binary64's 53.
  static constexpr int kMostRandomBits = 27;
};

// scales=groups: products that are summed exactly before their scale.
constexpr int kProductsToScaleGroup = 16;

// Throws ConfigError naming the field and its limits.
void validate(const Accumulator& accumulator);

// KIND or a preset, with options, in any order; format is required for every and chunk:
//   library
//   every:format=e8m13,rounding=rtz,overflow=native,random=27
//   chunk:size=64,format=fp16,inner=fp32|same,rounding=rne,overflow=native,random=27
//   tensor-core:align=value|operands,bits=14,group=32,promote=128,rounding=rtz,lowest=-126,register=aligned|added,
//               scales=sums|terms|groups,scale_emin=-6,split=1,operands=any|fp16|bf16|tf32|fp8|f8f4|fp4|fp8-fnuz
//   matrix-core:bits=25,group=8,halves=1|2,operands=...
//   native:hardware=ampere|ada|hopper|blackwell|cdna3,promote=128
//   hopper-fp8:promote=128
// Options of the format follow it: every:format=e5m10:subnormals=flush,bias=14,rounding=rtz.
// Throws ConfigError (nearest word suggested).
Accumulator parse_accumulator(std::string_view text);

// Parses back to the same accumulator, as far as its kind has the fields.
std::string to_string(const Accumulator& accumulator);
std::string to_string(Hardware hardware);

}  // namespace precipice
