// SPDX-License-Identifier: Apache-2.0
// Words that belong to no scaling, or to another, are refused where they would be lost.
#include "precision/scaling/quantizer_settings.h"

#include "precision/base/check.h"
#include "precision/base/spellings.h"
#include "precision/scaling/scale_rule_table.h"

namespace precipice {
namespace {

constexpr Spellings<ScaleKind, 6> kScaleKinds{{{"none", ScaleKind::None},
                                               {"fixed", ScaleKind::Fixed},
                                               {"tensor", ScaleKind::Tensor},
                                               {"row", ScaleKind::Row},
                                               {"column", ScaleKind::Column},
                                               {"block", ScaleKind::Block}}};

void require_setting(bool condition, const char* key, const std::string& value, const std::string& problem) {
  if (!condition) throw ConfigError({"", 0, key, value}, problem);
}

bool has_amax_scales(const QuantizerSettings& s) {
  return s.kind != ScaleKind::None && s.kind != ScaleKind::Fixed;
}

// What is said of a scaling must be said of the one that there is.
void check_words(const QuantizerSettings& s) {
  const std::string rule = to_string(s.rule);
  const bool is_nvfp4 = s.rule == ScaleRule::Nvfp4;
  const bool needs_blocks =
      is_nvfp4 || (has_amax_scales(s) && (is_e8m0(s.rule) || s.rule == ScaleRule::SharedExponent));
  require_setting(!needs_blocks || s.kind == ScaleKind::Block, "scale", to_string(s.kind),
                  "must be block with rule " + rule);
  require_setting(!s.power_of_two || s.rule == ScaleRule::Amax, "pow2", "true", "rule " + rule + " has its own scales");
  require_setting(!s.amax_floor || s.arithmetic != Arithmetic::MsAmp, "amax_floor",
                  join_parts(s.amax_floor.value_or(0.0)), "ms-amp has none");
  require_setting(!s.flush_subnormal_blocks || is_microxcaling(s.arithmetic), "flush_subnormal_blocks", "true",
                  "needs arithmetic microxcaling or microxcaling-cuda");
  require_setting(!s.exponent_bump || (has_amax_scales(s) && s.rule == ScaleRule::Floor), "exponent_bump", "true",
                  "needs rule floor");
  require_setting(s.two_level || is_nvfp4, "two_level", "false", "needs rule nvfp4 with arithmetic torchao");
  require_setting(!s.row_scaled || is_nvfp4, "row_scaled", "true", "needs rule nvfp4 with arithmetic te");
  require_setting(s.four_over_six == FourOverSix::Off || is_nvfp4, "four_over_six", to_string(s.four_over_six),
                  "needs rule nvfp4 with arithmetic te");
  require_setting(s.four_over_six_max == 448 || is_nvfp4, "four_over_six_max", std::to_string(s.four_over_six_max),
                  "needs four_over_six=mae or mse");
  require_setting(!s.delayed || (s.kind == ScaleKind::Tensor && s.rule == ScaleRule::Amax), "scale", to_string(s.kind),
                  "must be tensor with rule amax for delayed scaling");
}

Scaling block_scaling(const QuantizerSettings& s) {
  const BlockShape block{s.block_across, s.block_along};
  if (s.rule == ScaleRule::Amax) return BlockAmaxScaling{block, {s.power_of_two, s.amax_floor}};
  if (s.rule == ScaleRule::Nvfp4)
    return Nvfp4Scaling{block, s.two_level, s.row_scaled, s.four_over_six, s.four_over_six_max};
  return MxScaling{s.rule, block, s.exponent_bump, s.flush_subnormal_blocks, s.amax_floor};
}

Scaling scaling_of(const QuantizerSettings& s) {
  const AmaxScale scale{s.power_of_two, s.amax_floor};
  switch (s.kind) {
    case ScaleKind::None:
      return NoScaling{};
    case ScaleKind::Fixed:
      return FixedScaling{s.fixed};
    case ScaleKind::Tensor:
      if (s.delayed) return DelayedScaling{*s.delayed};
      return AmaxScaling{Granularity::Tensor, scale};
    case ScaleKind::Row:
      return AmaxScaling{Granularity::Row, scale};
    case ScaleKind::Column:
      return AmaxScaling{Granularity::Column, scale};
    case ScaleKind::Block:
      return block_scaling(s);
  }
  PRECIPICE_CHECK(false, "scale kind ", static_cast<int>(s.kind));
}

}  // namespace

Quantizer quantizer_of(const QuantizerSettings& settings) {
  check_words(settings);
  Quantizer quantizer(static_cast<const ElementQuantizer&>(settings));
  quantizer.scaling = scaling_of(settings);
  quantizer.arithmetic = settings.arithmetic;
  quantizer.hadamard = settings.hadamard;
  validate(quantizer);
  return quantizer;
}

QuantizerSettings::operator Quantizer() const {
  return quantizer_of(*this);
}

std::string to_string(ScaleKind kind) {
  return spelling_of(kind, kScaleKinds);
}

}  // namespace precipice
