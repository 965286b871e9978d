// SPDX-License-Identifier: Apache-2.0
// Spellings of a quantizer's choices, which of them go together, and the grid of blocks of a matrix.
#include "precision/scaling/quantizer.h"

#include <cmath>

#include "precision/base/check.h"
#include "precision/base/spellings.h"
#include "precision/format/format_presets.h"
#include "precision/kernels/hadamard_matrix.h"

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
constexpr Spellings<Granularity, 3> kGranularities{
    {{"tensor", Granularity::Tensor}, {"row", Granularity::Row}, {"column", Granularity::Column}}};
constexpr Spellings<FourOverSix, 3> kFourOverSix{
    {{"off", FourOverSix::Off}, {"mae", FourOverSix::Mae}, {"mse", FourOverSix::Mse}}};

void require(bool condition, const char* key, const std::string& value, const std::string& problem) {
  if (!condition) throw ConfigError({"", 0, key, value}, problem);
}

std::string arithmetics_with(ScaleRule rule) {
  std::string names;
  for (const auto& [name, arithmetic] : kArithmetics)
    if (has_rule(arithmetic, rule)) names += (names.empty() ? "" : " ") + std::string(name);
  return names;
}

// What each way of scaling asks for.
class ScalingValidation {
 public:
  explicit ScalingValidation(const Quantizer& quantizer) : q_(quantizer) {}

  void operator()(const NoScaling&) const {}
  void operator()(const FixedScaling& fixed) const {
    require_no_range();
    require(std::isfinite(fixed.scale) && fixed.scale > 0.0f, "fixed", join_parts(fixed.scale), "must be positive");
  }
  void operator()(const AmaxScaling& amax) const {
    require_scales(ScaleRule::Amax);
    check_floor(amax.scale.floor);
  }
  void operator()(const BlockAmaxScaling& amax) const {
    require_scales(ScaleRule::Amax);
    check(amax.block);
    check_floor(amax.scale.floor);
  }
  void operator()(const DelayedScaling& delayed) const {
    require_scales(ScaleRule::Amax);
    validate(delayed.rule);
  }
  void operator()(const MxScaling& mx) const {
    PRECIPICE_CHECK(mx.rule != ScaleRule::Amax && mx.rule != ScaleRule::Nvfp4, "rule ", to_string(mx.rule));
    require_scales(mx.rule);
    check(mx.block);
    check_floor(mx.amax_floor);
    require(!mx.flush_subnormal_blocks || is_microxcaling(q_.arithmetic), "flush_subnormal_blocks", "true",
            "needs arithmetic microxcaling or microxcaling-cuda");
    require(!mx.exponent_bump || mx.rule == ScaleRule::Floor, "exponent_bump", "true", "needs rule floor");
  }
  void operator()(const Nvfp4Scaling& nvfp4) const {
    require_scales(ScaleRule::Nvfp4);
    check(nvfp4.block);
    const FloatFormat& format = q_.element.format;
    require(format == kE2m1, "element", to_string(format), "must be e2m1 with rule nvfp4");
    require(nvfp4.two_level || q_.arithmetic == Arithmetic::Torchao, "two_level", "false",
            "needs rule nvfp4 with arithmetic torchao");
    require(!nvfp4.row_scaled || is_te(q_.arithmetic), "row_scaled", "true", "needs rule nvfp4 with arithmetic te");
    const bool is_off = nvfp4.four_over_six == FourOverSix::Off;
    require(is_off || is_te(q_.arithmetic), "four_over_six", to_string(nvfp4.four_over_six),
            "needs rule nvfp4 with arithmetic te");
    const int max = nvfp4.four_over_six_max;
    require(max == 448 || max == 256, "four_over_six_max", std::to_string(max), "must be 448 or 256");
    require(max == 448 || !is_off, "four_over_six_max", "256", "needs four_over_six=mae or mse");
  }

 private:
  void require_no_range() const {
    if (q_.element.range)
      throw ConfigError({"", 0, "range", to_string(*q_.element.range)},
                        "needs unscaled elements of as many mantissa bits");
    require(q_.element.kept_exponent_bits == 8, "kept_exponent_bits", std::to_string(q_.element.kept_exponent_bits),
            "needs unscaled elements");
  }
  // Of scales that follow from amaxes.
  void require_scales(ScaleRule rule) const {
    require_no_range();
    const std::string arithmetic = to_string(q_.arithmetic), word = granularity_word(q_.scaling);
    require(has_rule(q_.arithmetic, rule), "rule", to_string(rule),
            "is not a rule of arithmetic " + arithmetic + "; arithmetics that have it: " + arithmetics_with(rule));
    require(q_.arithmetic != Arithmetic::DeepSeek || word == "block", "scale", word,
            "must be block with arithmetic deepseek");
    require(q_.arithmetic != Arithmetic::MsAmp || word == "tensor", "scale", word,
            "must be tensor with arithmetic ms-amp");
    if (!is_microxcaling(q_.arithmetic)) return;
    const Rounding rounding = q_.element.rounding;
    require(rounding == Rounding::NearestEven || rounding == Rounding::NearestAway || rounding == Rounding::TowardZero,
            "rounding", to_string(rounding), "must be rne, rna or rtz with arithmetic " + arithmetic);
    // Its powers of two must be binary32 numbers on both sides; all MX formats are far from that.
    require(q_.element.format.emin() >= -100, "element", to_string(q_.element.format),
            "must have at most 7 exponent bits with arithmetic " + arithmetic);
  }
  void check(const BlockShape& block) const {
    require(block.across >= 1 && block.along >= 1, "block", join_parts(block.across, "x", block.along),
            "must be at least 1x1");
  }
  void check_floor(const std::optional<double>& amax_floor) const {
    const double floor = amax_floor.value_or(0.0);
    require(std::isfinite(floor) && floor >= 0.0, "amax_floor", join_parts(floor), "must not be negative");
    require(!amax_floor || q_.arithmetic != Arithmetic::MsAmp, "amax_floor", join_parts(floor), "ms-amp has none");
  }

  const Quantizer& q_;
};

template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

}  // namespace

std::string granularity_word(const Scaling& scaling) {
  return std::visit(
      Overloaded{[](const NoScaling&) -> std::string { return "none"; },
                 [](const FixedScaling&) -> std::string { return "fixed"; },
                 [](const DelayedScaling&) -> std::string { return "tensor"; },
                 [](const AmaxScaling& amax) -> std::string { return spelling_of(amax.granularity, kGranularities); },
                 [](const auto&) -> std::string { return "block"; }},
      scaling);
}

const BlockShape* block_of(const Scaling& scaling) {
  return std::visit(
      [](const auto& kind) -> const BlockShape* {
        if constexpr (requires { kind.block; }) return &kind.block;
        return nullptr;
      },
      scaling);
}

ScaleRule rule_of(const Scaling& scaling) {
  if (const auto* mx = std::get_if<MxScaling>(&scaling)) return mx->rule;
  return std::holds_alternative<Nvfp4Scaling>(scaling) ? ScaleRule::Nvfp4 : ScaleRule::Amax;
}

bool is_one_scale(const Scaling& scaling) {
  if (const auto* amax = std::get_if<AmaxScaling>(&scaling)) return amax->granularity == Granularity::Tensor;
  return block_of(scaling) == nullptr;
}

bool is_te(Arithmetic arithmetic) {
  return arithmetic == Arithmetic::Te || arithmetic == Arithmetic::TePython || arithmetic == Arithmetic::TeUnfused;
}

bool is_microxcaling(Arithmetic arithmetic) {
  return arithmetic == Arithmetic::Microxcaling || arithmetic == Arithmetic::MicroxcalingCuda;
}

double default_amax_floor(Arithmetic arithmetic) {
  if (arithmetic == Arithmetic::Torchao) return 1e-12;
  return arithmetic == Arithmetic::DeepGemm || arithmetic == Arithmetic::DeepSeek ? 1e-4 : 0.0;
}

void validate(const Quantizer& quantizer) {
  validate(quantizer.element);
  std::visit(ScalingValidation(quantizer), quantizer.scaling);
}

BlockGrid block_grid(const Quantizer& quantizer, const MatrixShape& shape) {
  PRECIPICE_CHECK(shape.rows >= 0 && shape.cols >= 0 && (shape.contraction == 0 || shape.contraction == 1), "shape ",
                  shape.rows, "x", shape.cols, ", contraction axis ", shape.contraction);
  const std::int64_t along = shape.contraction == 1 ? shape.cols : shape.rows;
  const std::int64_t across = shape.contraction == 1 ? shape.rows : shape.cols;
  const std::string size = join_parts(shape.rows, "x", shape.cols);
  require(!quantizer.hadamard || along % kHadamard == 0, "rht", "true",
          join_parts("needs a contraction divisible by ", kHadamard, "; axis ", shape.contraction, " of ", size,
                     " is not"));
  BlockShape block{across, along};
  if (const auto* amax = quantizer.scaling_if<AmaxScaling>()) {
    if (amax->granularity == Granularity::Row) block.across = 1;
    if (amax->granularity == Granularity::Column) block.along = 1;
  }
  if (const BlockShape* own = block_of(quantizer.scaling)) {
    block = *own;
    require(quantizer.arithmetic != Arithmetic::Torchao || (along % block.along == 0 && across % block.across == 0),
            "block", join_parts(block.across, "x", block.along),
            join_parts("must fill the matrix with arithmetic torchao; axis ", shape.contraction, " of ", size,
                       " is the contraction"));
  }
  BlockGrid grid;
  grid.block_rows = std::max<std::int64_t>(1, shape.contraction == 1 ? block.across : block.along);
  grid.block_cols = std::max<std::int64_t>(1, shape.contraction == 1 ? block.along : block.across);
  grid.grid_rows = (shape.rows + grid.block_rows - 1) / grid.block_rows;
  grid.grid_cols = (shape.cols + grid.block_cols - 1) / grid.block_cols;
  return grid;
}

bool dequantizes_by_division(const Quantizer& quantizer) {
  return quantizer.arithmetic == Arithmetic::Torchao &&
         (quantizer.scaling_if<AmaxScaling>() != nullptr || quantizer.scaling_if<DelayedScaling>() != nullptr);
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
std::string to_string(FourOverSix choice) {
  return spelling_of(choice, kFourOverSix);
}

}  // namespace precipice
