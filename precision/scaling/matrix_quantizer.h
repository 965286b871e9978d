// SPDX-License-Identifier: Apache-2.0
// What a scaling recipe does to one matrix operand of a GEMM, as data: element format and rounding, which elements
// share a scale, how a scale follows from their amax, and whose order of float operations that is. block_quantize.h
// does it; scale_rules.h has the formulas. Sources: the table of Arithmetic.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "precision/format/float_format.h"
#include "precision/rounding/rounding.h"
#include "precision/scaling/delayed_scale.h"

namespace precipice {

// Whose order of operations and edge cases.
enum class Arithmetic : std::uint8_t {
  Te,                // TransformerEngine's kernels (where only references could be run: those)
  TePython,          // its Python references: Float8 current and block scaling with NaN or infinity, MXFP4
  TeUnfused,         // as Te, with the delayed update of its Python
  Torchao,           // float8, blockwise_fp8_training, mx_formats (0.19 development version)
  Microxcaling,      // mx_ops.py, custom_cuda=False; in bf16 arithmetic when the tensor is bf16
  MicroxcalingCuda,  // its element functions in C++
  DeepGemm,          // deep_gemm/utils/math.py; scale = amax / max, inverted once
  DeepSeek,          // DeepSeek-V3 inference/kernel.py: divides by amax / max
  MsAmp,             // ScalingMeta.compute_scaling_factor
};

// Which elements share a scale. Rows and blocks are named as seen along the contraction axis of the GEMM.
enum class ScaleKind : std::uint8_t {
  None,
  Fixed,
  Tensor,
  Row,     // one scale per line along the contraction: per token, per output channel
  Column,  // one scale per index of the contraction
  Block,   // block_across x block_along elements; what is left at the end is padded with zeros
};

enum class ScaleRule : std::uint8_t {
  Amax,            // max / amax in binary32, optionally a power of two
  Floor,           // E8M0: 2^(floor(log2 amax) - emax), OCP MX 1.0
  Ceil,            // E8M0: 2^(ceil(log2 amax) - emax)
  Rceil,           // E8M0: smallest power of two with amax <= max * scale
  Even,            // E8M0: floor, of amax rounded to the element's mantissa bits
  Nvfp4,           // E4M3 block scale under a binary32 scale per tensor
  SharedExponent,  // block floating point: as Floor with an exponent that has no end
};

// NVFP4: each block's largest value may also be mapped to 4 in place of 6, by mean absolute or squared error.
enum class FourOverSix : std::uint8_t { Off, Mae, Mse };

struct MatrixQuantizer {
  FloatFormat element;  // fp32 without scale: nothing is rounded
  Rounding rounding = Rounding::NearestEven;
  Overflow overflow = Overflow::Saturate;
  int random_bits = 32;
  bool through_bf16 = false;  // the tensor is a bf16 one in the system that is imitated
  // Unscaled only: where magnitudes end, in place of the element's own largest value, as this format's do.
  std::optional<FloatFormat> range;
  Arithmetic arithmetic = Arithmetic::Te;
  ScaleKind kind = ScaleKind::None;
  ScaleRule rule = ScaleRule::Amax;
  std::int64_t block_across = 1, block_along = 32;  // Block
  float fixed = 1.0f;                               // Fixed
  bool power_of_two = false;                        // Amax
  std::optional<double> amax_floor;                 // Amax; none: the arithmetic's own, see default_amax_floor
  std::optional<DelayedRule> delayed;               // Tensor with Amax: the scale comes from earlier steps
  bool two_level = true;                            // Nvfp4: false leaves the tensor's scale out (torchao)
  bool row_scaled = false;                          // Nvfp4: the outer scale is per row
  FourOverSix four_over_six = FourOverSix::Off;     // Nvfp4
  int four_over_six_max = 448;                      // 448 or 256: largest block scale that is used
  bool hadamard = false;                            // rotate along the contraction first (hadamard.h)
  bool flush_subnormal_blocks = false;              // microxcaling's flush_fp32_subnorms
  bool exponent_bump = false;                       // Floor: one more where amax is beyond max * scale

  bool operator==(const MatrixQuantizer&) const = default;
  // Values are multiplied and divided by nothing and come back as they are.
  bool is_identity() const;
};

// Amax below this counts as this: te 0, torchao 1e-12, deepgemm and deepseek 1e-4, ms-amp none.
double default_amax_floor(Arithmetic arithmetic);

// The rules that a peer has at all.
bool has_rule(Arithmetic arithmetic, ScaleRule rule);

// Throws ConfigError naming the field when no published arithmetic does this.
void validate(const MatrixQuantizer& spec);

// A matrix in row-major order; `contraction` is the axis that the GEMM sums over.
struct MatrixShape {
  std::int64_t rows = 0, cols = 0;
  int contraction = 1;  // 0: down the columns, 1: along the rows
  // Elements from one row of what is read to the next. Not `cols` only where all rows have one scale.
  std::int64_t row_stride = cols;
};

// Elements that share a scale, in the matrix's own layout.
struct BlockGrid {
  std::int64_t block_rows = 1, block_cols = 1;
  std::int64_t grid_rows = 1, grid_cols = 1;
  std::int64_t count() const { return grid_rows * grid_cols; }
};

// Throws ConfigError naming block and shape where the peer asserts that blocks fill the matrix (torchao), and for a
// Hadamard transform along a contraction that is not a multiple of 16.
BlockGrid block_grid(const MatrixQuantizer& spec, const MatrixShape& shape);

// Whether dequantizing divides by the scale that values were multiplied by (torchao float8's to_original_precision).
// A GEMM multiplies by its inverse there as everywhere.
bool dequantizes_by_division(const MatrixQuantizer& spec);

// Spellings: te te-python te-unfused torchao microxcaling microxcaling-cuda deepgemm deepseek ms-amp; amax floor ceil rceil even nvfp4 shared-exponent; off mae mse. Throw ConfigError.
Arithmetic parse_arithmetic(std::string_view text);
ScaleRule parse_scale_rule(std::string_view text);
FourOverSix parse_four_over_six(std::string_view text);
std::string to_string(Arithmetic arithmetic);
std::string to_string(ScaleKind kind);  // none fixed tensor row column block
std::string to_string(ScaleRule rule);
std::string to_string(FourOverSix choice);

}  // namespace precipice
