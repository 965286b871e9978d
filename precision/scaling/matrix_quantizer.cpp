// SPDX-License-Identifier: Apache-2.0
// Spellings of a matrix quantizer's choices, which of them go together, and the grid of blocks of a matrix.
#include "precision/scaling/matrix_quantizer.h"

#include <cmath>

#include "precision/base/check.h"
#include "precision/base/spellings.h"
#include "precision/format/format_presets.h"
#include "precision/scaling/hadamard.h"
#include "precision/scaling/scale_rule_table.h"

namespace precipice {
namespace {

constexpr Spellings<Arithmetic, 9> kArithmetics{{{"te", Arithmetic::Te},
                                                 {"te-python", Arithmetic::TePython},
                                                 {"te-unfused", Arithmetic::TeUnfused},
                                                 {"torchao", Arithmetic::Torchao},
                                                 {"microxcaling", Arithmetic::Microxcaling},
                                                 {"microxcaling-cuda", Arithmetic::MicroxcalingCuda},
                                                 {"deepgemm", Arithmetic::DeepGemm},
                                                 {"deepseek", Arithmetic::DeepSeek},
                                                 {"ms-amp", Arithmetic::MsAmp}}};
constexpr Spellings<ScaleKind, 6> kScaleKinds{{{"none", ScaleKind::None},
                                               {"fixed", ScaleKind::Fixed},
                                               {"tensor", ScaleKind::Tensor},
                                               {"row", ScaleKind::Row},
                                               {"column", ScaleKind::Column},
                                               {"block", ScaleKind::Block}}};
constexpr Spellings<FourOverSix, 3> kFourOverSix{
    {{"off", FourOverSix::Off}, {"mae", FourOverSix::Mae}, {"mse", FourOverSix::Mse}}};

void require(bool condition, const char* key, const std::string& value, const std::string& problem) {
  if (!condition) throw ConfigError({"", 0, key, value}, problem);
}

bool is_te(Arithmetic arithmetic) {
  return arithmetic == Arithmetic::Te || arithmetic == Arithmetic::TePython || arithmetic == Arithmetic::TeUnfused;
}

bool is_microxcaling(Arithmetic arithmetic) {
  return arithmetic == Arithmetic::Microxcaling || arithmetic == Arithmetic::MicroxcalingCuda;
}

std::string arithmetics_with(ScaleRule rule) {
  std::string names;
  for (const auto& [name, arithmetic] : kArithmetics)
    if (has_rule(arithmetic, rule)) names += (names.empty() ? "" : " ") + std::string(name);
  return names;
}

// What has scales has its own ends.
void validate_range(const MatrixQuantizer& spec) {
  if (!spec.range) return;
  validate(*spec.range);
  const auto is_plain = [](const FloatFormat& f) { return f.sign == Sign::Signed && f.mantissa_bits > 0; };
  require(spec.kind == ScaleKind::None && is_plain(spec.element) && is_plain(*spec.range) &&
              spec.range->mantissa_bits == spec.element.mantissa_bits && spec.range->emax() > spec.element.emin(),
          "range", to_string(*spec.range), "needs unscaled elements of as many mantissa bits");
}

void validate_nvfp4(const MatrixQuantizer& spec) {
  const bool is_nvfp4 = spec.rule == ScaleRule::Nvfp4;
  require(!is_nvfp4 || spec.element == kE2m1, "element", to_string(spec.element), "must be e2m1 with rule nvfp4");
  require(!is_nvfp4 || spec.kind == ScaleKind::Block, "scale", to_string(spec.kind), "must be block with rule nvfp4");
  require(spec.two_level || (is_nvfp4 && spec.arithmetic == Arithmetic::Torchao), "two_level", "false",
          "needs rule nvfp4 with arithmetic torchao");
  const bool is_te_nvfp4 = is_nvfp4 && is_te(spec.arithmetic);
  require(!spec.row_scaled || is_te_nvfp4, "row_scaled", "true", "needs rule nvfp4 with arithmetic te");
  require(spec.four_over_six == FourOverSix::Off || is_te_nvfp4, "four_over_six", to_string(spec.four_over_six),
          "needs rule nvfp4 with arithmetic te");
  require(spec.four_over_six_max == 448 || spec.four_over_six_max == 256, "four_over_six_max",
          std::to_string(spec.four_over_six_max), "must be 448 or 256");
  require(spec.four_over_six_max == 448 || spec.four_over_six != FourOverSix::Off, "four_over_six_max", "256",
          "needs four_over_six=mae or mse");
}

}  // namespace

bool MatrixQuantizer::is_identity() const {
  return element.is_fp32() && !through_bf16 && !hadamard && kind == ScaleKind::None;
}

double default_amax_floor(Arithmetic arithmetic) {
  if (arithmetic == Arithmetic::Torchao) return 1e-12;
  return arithmetic == Arithmetic::DeepGemm || arithmetic == Arithmetic::DeepSeek ? 1e-4 : 0.0;
}

void validate(const MatrixQuantizer& spec) {
  validate(spec.element);
  const bool has_scales = spec.kind != ScaleKind::None && spec.kind != ScaleKind::Fixed;
  const std::string arithmetic = to_string(spec.arithmetic), rule = to_string(spec.rule);
  require(!has_scales || has_rule(spec.arithmetic, spec.rule), "rule", rule,
          "is not a rule of arithmetic " + arithmetic + "; arithmetics that have it: " + arithmetics_with(spec.rule));
  require(!has_scales || !is_e8m0(spec.rule) || spec.kind == ScaleKind::Block, "scale", to_string(spec.kind),
          "must be block with rule " + rule);
  require(!has_scales || spec.arithmetic != Arithmetic::DeepSeek || spec.kind == ScaleKind::Block, "scale",
          to_string(spec.kind), "must be block with arithmetic deepseek");
  require(spec.random_bits >= 1 && spec.random_bits <= 32, "random_bits", std::to_string(spec.random_bits),
          "must be from 1 to 32");
  require(spec.block_across >= 1 && spec.block_along >= 1, "block",
          join_parts(spec.block_across, "x", spec.block_along), "must be at least 1x1");
  require(std::isfinite(spec.fixed) && spec.fixed > 0.0f, "fixed", join_parts(spec.fixed), "must be positive");
  const double floor = spec.amax_floor.value_or(0.0);
  require(std::isfinite(floor) && floor >= 0.0, "amax_floor", join_parts(floor), "must not be negative");
  require(!spec.amax_floor || spec.arithmetic != Arithmetic::MsAmp, "amax_floor", join_parts(floor), "ms-amp has none");
  require(spec.arithmetic != Arithmetic::MsAmp || !has_scales || spec.kind == ScaleKind::Tensor, "scale",
          to_string(spec.kind), "must be tensor with arithmetic ms-amp");
  require(!is_microxcaling(spec.arithmetic) || !has_scales || spec.rounding == Rounding::NearestEven ||
              spec.rounding == Rounding::NearestAway || spec.rounding == Rounding::TowardZero,
          "rounding", to_string(spec.rounding), "must be rne, rna or rtz with arithmetic " + arithmetic);
  // Its powers of two must be binary32 numbers on both sides; all MX formats are far from that.
  require(!is_microxcaling(spec.arithmetic) || !has_scales || spec.element.emin() >= -100, "element",
          to_string(spec.element), "must have at most 7 exponent bits with arithmetic " + arithmetic);
  require(!spec.flush_subnormal_blocks || is_microxcaling(spec.arithmetic), "flush_subnormal_blocks", "true",
          "needs arithmetic microxcaling or microxcaling-cuda");
  require(!spec.power_of_two || spec.rule == ScaleRule::Amax, "pow2", "true", "rule " + rule + " has its own scales");
  require(!spec.exponent_bump || (has_scales && spec.rule == ScaleRule::Floor), "exponent_bump", "true",
          "needs rule floor");
  validate_range(spec);
  validate_nvfp4(spec);
  if (!spec.delayed) return;
  validate(*spec.delayed);
  require(spec.kind == ScaleKind::Tensor && spec.rule == ScaleRule::Amax, "scale", to_string(spec.kind),
          "must be tensor with rule amax for delayed scaling");
}

BlockGrid block_grid(const MatrixQuantizer& spec, const MatrixShape& shape) {
  PRECIPICE_CHECK(shape.rows >= 0 && shape.cols >= 0 && (shape.contraction == 0 || shape.contraction == 1), "shape ",
                  shape.rows, "x", shape.cols, ", contraction axis ", shape.contraction);
  const std::int64_t along = shape.contraction == 1 ? shape.cols : shape.rows;
  const std::int64_t across = shape.contraction == 1 ? shape.rows : shape.cols;
  const std::string size = join_parts(shape.rows, "x", shape.cols);
  require(!spec.hadamard || along % kHadamard == 0, "rht", "true",
          join_parts("needs a contraction divisible by ", kHadamard, "; axis ", shape.contraction, " of ", size,
                     " is not"));
  std::int64_t block_across = across, block_along = along;
  if (spec.kind == ScaleKind::Row) block_across = 1;
  if (spec.kind == ScaleKind::Column) block_along = 1;
  if (spec.kind == ScaleKind::Block) {
    block_across = spec.block_across;
    block_along = spec.block_along;
    require(spec.arithmetic != Arithmetic::Torchao || (along % block_along == 0 && across % block_across == 0), "block",
            join_parts(block_across, "x", block_along),
            join_parts("must fill the matrix with arithmetic torchao; axis ", shape.contraction, " of ", size,
                       " is the contraction"));
  }
  BlockGrid grid;
  grid.block_rows = std::max<std::int64_t>(1, shape.contraction == 1 ? block_across : block_along);
  grid.block_cols = std::max<std::int64_t>(1, shape.contraction == 1 ? block_along : block_across);
  grid.grid_rows = (shape.rows + grid.block_rows - 1) / grid.block_rows;
  grid.grid_cols = (shape.cols + grid.block_cols - 1) / grid.block_cols;
  return grid;
}

bool dequantizes_by_division(const MatrixQuantizer& spec) {
  return spec.arithmetic == Arithmetic::Torchao && spec.rule == ScaleRule::Amax &&
         (spec.kind == ScaleKind::Tensor || spec.kind == ScaleKind::Row || spec.kind == ScaleKind::Column);
}

Arithmetic parse_arithmetic(std::string_view text) {
  return parse_spelling("arithmetic", text, kArithmetics);
}
FourOverSix parse_four_over_six(std::string_view text) {
  return parse_spelling("four_over_six", text, kFourOverSix);
}
std::string to_string(Arithmetic arithmetic) {
  return spelling_of(arithmetic, kArithmetics);
}
std::string to_string(ScaleKind kind) {
  return spelling_of(kind, kScaleKinds);
}
std::string to_string(FourOverSix choice) {
  return spelling_of(choice, kFourOverSix);
}

}  // namespace precipice
