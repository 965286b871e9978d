// SPDX-License-Identifier: Apache-2.0
// What a recipe does to one operand of a GEMM: elements are rounded to a format after a scale has multiplied them, in
// the order of float operations of one system. Each way of scaling has fields of its own, so that what no system does
// can hardly be said; quantizer_settings.h is the door for what users write. block_quantize.h does it, scale_rules.h has
// the formulas. Sources: the table of Arithmetic.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "precision/rounding/element_quantizer.h"
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

// ---- ways of scaling ----------------------------------------------------------------------------------------------

struct NoScaling {
  bool operator==(const NoScaling&) const = default;
};

// One scale for all, that multiplies.
struct FixedScaling {
  float scale = 1.0f;
  bool operator==(const FixedScaling&) const = default;
};

// Which elements share a scale, as seen along the contraction of the GEMM.
enum class Granularity : std::uint8_t {
  Tensor,
  Row,     // one scale per line along the contraction: per token, per output channel
  Column,  // one scale per index of the contraction
};

// Blocks of across x along elements; what is left at the end is padded with zeros.
struct BlockShape {
  std::int64_t across = 1, along = 32;
  bool operator==(const BlockShape&) const = default;
};

// Rule amax: max / amax.
struct AmaxScale {
  bool power_of_two = false;
  std::optional<double> floor{};  // an amax below this counts as this; none: the arithmetic's own, default_amax_floor
  bool operator==(const AmaxScale&) const = default;
};
struct AmaxScaling {
  Granularity granularity = Granularity::Tensor;
  AmaxScale scale{};
  bool operator==(const AmaxScaling&) const = default;
};
struct BlockAmaxScaling {
  BlockShape block{};
  AmaxScale scale{};
  bool operator==(const BlockAmaxScaling&) const = default;
};

// One scale per tensor, from its amaxes at earlier steps.
struct DelayedScaling {
  DelayedRule rule;
  bool operator==(const DelayedScaling&) const = default;
};

// One power of two per block: MX's E8M0 scales, or the shared exponent of block floating point.
struct MxScaling {
  ScaleRule rule = ScaleRule::Floor;  // Floor Ceil Rceil Even SharedExponent
  BlockShape block{};
  bool exponent_bump = false;           // Floor: one more where amax is beyond max * scale
  bool flush_subnormal_blocks = false;  // microxcaling's flush_fp32_subnorms
  std::optional<double> amax_floor{};   // DeepGEMM: as AmaxScale's
  bool operator==(const MxScaling&) const = default;
};

// E4M3 scales of blocks under a binary32 scale of the tensor.
struct Nvfp4Scaling {
  BlockShape block{1, 16};
  bool two_level = true;    // false leaves the tensor's scale out (torchao)
  bool row_scaled = false;  // the outer scale is per row
  FourOverSix four_over_six = FourOverSix::Off;
  int four_over_six_max = 448;  // 448 or 256: largest block scale that is used
  bool operator==(const Nvfp4Scaling&) const = default;
};

using Scaling =
    std::variant<NoScaling, FixedScaling, AmaxScaling, BlockAmaxScaling, DelayedScaling, MxScaling, Nvfp4Scaling>;

// none fixed tensor row column block: which elements share a scale.
std::string granularity_word(const Scaling& scaling);
// Null where scales are not of blocks.
const BlockShape* block_of(const Scaling& scaling);
// Amax where there is no other.
ScaleRule rule_of(const Scaling& scaling);
// No more than one scale for the whole operand.
bool is_one_scale(const Scaling& scaling);

// ---- the quantizer ------------------------------------------------------------------------------------------------

struct Quantizer {
  ElementQuantizer element;
  Scaling scaling;
  Arithmetic arithmetic = Arithmetic::Te;
  bool hadamard = false;  // rotate along the contraction first (hadamard.h)

  Quantizer() = default;
  // One that has no scale. Of nothing but an ElementQuantizer: what is derived from it has more to say.
  template <std::same_as<ElementQuantizer> Elements>
  Quantizer(const Elements& elements) : element(elements) {}  // NOLINT

  bool operator==(const Quantizer&) const = default;
  // Values are multiplied and divided by nothing and come back as they are.
  bool is_identity() const { return element.is_identity() && !hadamard && !is_scaled(); }
  bool is_scaled() const { return !std::holds_alternative<NoScaling>(scaling); }
  // The scaling if it is of this kind, else null.
  template <class Kind>
  const Kind* scaling_if() const {
    return std::get_if<Kind>(&scaling);
  }
};

// Throws ConfigError naming the field when no published arithmetic does this.
void validate(const Quantizer& quantizer);

// Amax below this counts as this: te 0, torchao 1e-12, deepgemm and deepseek 1e-4, ms-amp none.
double default_amax_floor(Arithmetic arithmetic);
// The rules that a peer has at all.
bool has_rule(Arithmetic arithmetic, ScaleRule rule);

bool is_te(Arithmetic arithmetic);
bool is_microxcaling(Arithmetic arithmetic);

// Whether dequantizing divides by the scale that values were multiplied by (torchao float8's to_original_precision).
// A GEMM multiplies by its inverse there as everywhere.
bool dequantizes_by_division(const Quantizer& quantizer);

// ---- the grid of a matrix -----------------------------------------------------------------------------------------

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
BlockGrid block_grid(const Quantizer& quantizer, const MatrixShape& shape);

// ---- words --------------------------------------------------------------------------------------------------------

// Spellings: te te-python te-unfused torchao microxcaling microxcaling-cuda deepgemm deepseek ms-amp; amax floor ceil
// rceil even nvfp4 shared-exponent; off mae mse. Throw ConfigError.
Arithmetic parse_arithmetic(std::string_view text);
ScaleRule parse_scale_rule(std::string_view text);
FourOverSix parse_four_over_six(std::string_view text);
std::string to_string(Arithmetic arithmetic);
std::string to_string(ScaleRule rule);
std::string to_string(FourOverSix choice);

}  // namespace precipice
